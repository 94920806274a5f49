"""What the datasets of the embedded world share: their items are numbers, and their images are drawn."""

from collections.abc import Callable, Sequence

import numpy as np

from sacl_mm.datasets.image_text_dataset import ImageTextDataset
from sacl_mm.datasets.shape_world.render import render_scene
from sacl_mm.datasets.shape_world.scene import Scene
from sacl_mm.functional.settings import check_count

MIN_IMAGE_SIZE = 16
# Rendering would be a good part of a small model's training time: images are kept where all of a dataset's fit.
_MAX_KEPT_BYTES = 256 * 2**20


class DrawnDataset(ImageTextDataset):
    """Items made from the numbers `start` to `start + number - 1` of an endless list.

    A subclass gives `load_data_list`, from `numbers` and `seed`, and `scenes_of`. `img` is the image of an item's only scene,
    or a list of several.

    Args:
        unit: what a number stands for, as the subclass names its argument, e.g. 'num_images'.
        number: how many.
        images_each: how many images belong to a number.
        image_size: side of an image in pixels.
        seed: of the world.
        start: the first number.
        pipeline: transforms that a sample goes through.
        test_mode: as in `ImageTextDataset`.
        about: further entries of `metainfo`.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(
        self,
        unit: str,
        number: int,
        images_each: int,
        image_size: int,
        seed: int,
        start: int,
        pipeline: Sequence[dict | Callable],
        test_mode: bool,
        about: dict | None = None,
    ) -> None:
        check_count(unit, number)
        check_count('seed', seed, 0)
        check_count('start', start, 0)
        check_count('image_size', image_size, MIN_IMAGE_SIZE)
        self.seed = seed
        self.numbers = range(start, start + number)
        self.image_size = image_size
        self._keeps_images = number * images_each * 3 * image_size**2 <= _MAX_KEPT_BYTES
        self._kept: dict[int, np.ndarray] = {}
        metainfo = {'seed': seed, 'start': start, unit: number, **(about or {})}
        super().__init__(metainfo=metainfo, pipeline=list(pipeline), test_mode=test_mode)

    def scenes_of(self, image_id: int) -> tuple[Scene, ...]:
        """What the images of an item show."""
        raise NotImplementedError

    def get_data_info(self, idx: int) -> dict:
        info = super().get_data_info(idx)
        scenes = self.scenes_of(info['image_id'])
        images = [self._draw(len(scenes) * info['image_id'] + side, scene) for side, scene in enumerate(scenes)]
        info['img'] = images[0] if len(images) == 1 else images
        return info

    def _draw(self, key: int, scene: Scene) -> np.ndarray:
        """(H, W, 3) uint8 BGR, the caller's own; equal keys are equal scenes."""
        if not self._keeps_images:
            return render_scene(scene, self.image_size)
        if key not in self._kept:
            self._kept[key] = render_scene(scene, self.image_size)
        return self._kept[key].copy()
