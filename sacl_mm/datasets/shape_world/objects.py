"""Images whose objects are known by place: what the embedded world has in the place of ImageNet or Visual Genome."""

from collections.abc import Callable, Sequence

import numpy as np

from sacl_mm.datasets.shape_world.drawn_dataset import DrawnDataset
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, SIDE, Scene
from sacl_mm.datasets.shape_world.world import scene_of
from sacl_mm.functional.settings import check_count
from sacl_mm.registry import DATASETS


@DATASETS.register_module()
class ShapeWorldObjects(DrawnDataset):
    """Scenes `start` to `start + num_images - 1` with the look of what is where, to train an image encoder on.

    A sample has `img`, `image_id` and `gt_cell_labels`, see `label_cells`. The scenes are `ShapeWorld`'s: ranges that do not
    meet are splits.

    Args:
        num_images: how many images.
        grid: cells along a side.
        image_size: side of the image in pixels.
        seed: of the world.
        start: number of the first scene.
        pipeline: transforms that a sample goes through.
        test_mode: as in `ImageTextDataset`.
        presence: a fifth label for every cell, 1 with an object and 0 without. On a fine grid most cells are empty, and
            without it nothing is learned about them.

    Raises:
        ValueError: for an argument out of range.
    """

    METAINFO = {'dataset_type': 'ShapeWorldObjects', **ATTRIBUTES}

    def __init__(
        self,
        num_images: int,
        grid: int = 4,
        image_size: int = 64,
        seed: int = 0,
        start: int = 0,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        presence: bool = False,
    ) -> None:
        check_count('grid', grid)
        self.grid = grid
        self.presence = presence
        options = {'grid': grid, 'presence': presence}
        super().__init__('num_images', num_images, 1, image_size, seed, start, pipeline, test_mode, options)

    def load_data_list(self) -> list[dict]:
        return [
            {'image_id': number, 'gt_cell_labels': label_cells(scene_of(self.seed, number), self.grid, self.presence)}
            for number in self.numbers
        ]

    def scenes_of(self, image_id: int) -> tuple[Scene, ...]:
        return (scene_of(self.seed, image_id),)


def label_cells(scene: Scene, grid: int, presence: bool = False) -> np.ndarray:
    """(grid * grid, 4) int64: indices of shape, colour, size and texture of the object centred in each cell, row by row.

    -1 where there is none; of several objects in a cell the last one counts. With `presence` a fifth column says which
    cells have an object, 1, and which have none, 0.
    """
    labels = np.full((grid, grid, len(ATTRIBUTES)), -1, np.int64)
    for item in scene.objects:
        row, column = (min(grid - 1, place * grid // SIDE) for place in (item.y, item.x))
        labels[row, column] = [values.index(getattr(item, name)) for name, values in ATTRIBUTES.items()]
    rows = labels.reshape(grid * grid, -1)
    return np.column_stack([rows, rows[:, 0] >= 0]) if presence else rows
