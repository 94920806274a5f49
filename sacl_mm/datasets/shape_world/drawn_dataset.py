"""What the datasets of the embedded world share: their items are numbers, and their pictures are drawn."""

from collections.abc import Callable, Sequence

from sacl_mm.datasets.image_text_dataset import ImageTextDataset
from sacl_mm.datasets.shape_world.pictures import Pictures, check_least


class DrawnDataset(ImageTextDataset):
    """Items made from the numbers `start` to `start + number - 1` of an endless list.

    A subclass gives `load_data_list`, from `numbers` and `seed`, and puts what `pictures.draw` makes into an item's `img`.

    Args:
        unit: what a number stands for, as the subclass names its argument, e.g. 'num_images'.
        number: how many.
        pictures_each: how many pictures belong to a number.
        image_size: side of a picture in pixels.
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
        pictures_each: int,
        image_size: int,
        seed: int,
        start: int,
        pipeline: Sequence[dict | Callable],
        test_mode: bool,
        about: dict | None = None,
    ) -> None:
        check_least(unit, number, 1)
        check_least('seed', seed, 0)
        check_least('start', start, 0)
        self.seed = seed
        self.numbers = range(start, start + number)
        self.pictures = Pictures(number * pictures_each, image_size)
        metainfo = {'seed': seed, 'start': start, unit: number, **(about or {})}
        super().__init__(metainfo=metainfo, pipeline=list(pipeline), test_mode=test_mode)
