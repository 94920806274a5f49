"""Rendered pictures, kept in memory where they fit: rendering would be a good part of a small model's training time."""

import numpy as np

from sacl_mm.datasets.shape_world.render import render_scene
from sacl_mm.datasets.shape_world.scene import Scene

MIN_IMAGE_SIZE = 16
_MAX_KEPT_BYTES = 256 * 2**20


class Pictures:
    """The pictures of a dataset; they are kept if all of them fit into 256 MiB.

    Args:
        number: how many different pictures there are.
        image_size: their side in pixels.

    Raises:
        ValueError: for an image size out of range.
    """

    def __init__(self, number: int, image_size: int) -> None:
        check_least('image_size', image_size, MIN_IMAGE_SIZE)
        self.number = number
        self.image_size = image_size
        self.kept: dict[int, np.ndarray] = {}

    def draw(self, key: int, scene: Scene) -> np.ndarray:
        """(H, W, 3) uint8 BGR, the caller's own; equal keys are equal scenes."""
        if key in self.kept:
            return self.kept[key].copy()
        picture = render_scene(scene, self.image_size)
        if self.number * picture.nbytes <= _MAX_KEPT_BYTES:
            self.kept[key] = picture.copy()
        return picture


def check_least(name: str, value: int, least: int) -> None:
    """Raises ValueError unless the argument is an integer of at least that."""
    if not isinstance(value, int) or value < least:
        raise ValueError(f'{name} must be an integer >= {least}, got {value!r}')
