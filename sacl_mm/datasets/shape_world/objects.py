"""Pictures of one object each: what the embedded world has in ImageNet's place."""

from collections.abc import Callable

from sacl_mm.datasets.shape_world.drawn_dataset import DrawnDataset
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, WorldObject
from sacl_mm.datasets.shape_world.world import lone_object_of
from sacl_mm.registry import DATASETS


@DATASETS.register_module()
class ShapeWorldObjects(DrawnDataset):
    """Single objects number `start` to `start + num_images - 1`, to be classified.

    A sample has `img`, `image_id` and `gt_label`, one of the 384 combinations of shape, colour, size and texture
    (`look_number`), as mmpretrain's classifiers read it. Ranges that do not meet are splits.

    Args:
        num_images: how many pictures.
        image_size: side of the picture in pixels.
        seed: of the world.
        start: number of the first picture.
        pipeline: transforms that a sample goes through.
        test_mode: as in `ImageTextDataset`.

    Raises:
        ValueError: for an argument out of range.
    """

    METAINFO = {'dataset_type': 'ShapeWorldObjects', **ATTRIBUTES}

    def __init__(
        self,
        num_images: int,
        image_size: int = 64,
        seed: int = 0,
        start: int = 0,
        pipeline: list[dict | Callable] = (),
        test_mode: bool = False,
    ) -> None:
        super().__init__('num_images', num_images, 1, image_size, seed, start, pipeline, test_mode)

    def load_data_list(self) -> list[dict]:
        return [
            {'image_id': number, 'gt_label': look_number(lone_object_of(self.seed, number).objects[0])}
            for number in self.numbers
        ]

    def get_data_info(self, idx: int) -> dict:
        info = super().get_data_info(idx)
        info['img'] = self.pictures.draw(info['image_id'], lone_object_of(self.seed, info['image_id']))
        return info


def look_number(item: WorldObject) -> int:
    """The place of an object's look among all: mixed radix, shape first."""
    number = 0
    for name, values in ATTRIBUTES.items():
        number = number * len(values) + values.index(getattr(item, name))
    return number
