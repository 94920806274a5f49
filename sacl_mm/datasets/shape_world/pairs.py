"""Statements about two images of the shape world, true or false; nothing is read from or written to disk."""

from collections.abc import Callable, Sequence

from sacl_mm.datasets.shape_world.drawn_dataset import DrawnDataset
from sacl_mm.datasets.shape_world.pair_statement import FORMS, PAIRS_PER_GROUP
from sacl_mm.datasets.shape_world.scene import Scene
from sacl_mm.datasets.shape_world.world import pair_group_of
from sacl_mm.registry import DATASETS


@DATASETS.register_module()
class ShapeWorldPairs(DrawnDataset):
    """The groups `start` to `start + num_groups - 1`: a statement with four pairs of images, true of two of them.

    Ranges that do not meet are splits. A sample is one pair and has `img` ([left, right]), `text` (the statement),
    `gt_label` (1 if it is true), `image_id` and `text_ids` (`group * 4 + pair`), and `identifier` 'world-GROUP-PAIR-0':
    split, set, pair and sentence as in NLVR2.

    Args:
        num_groups: how many statements.
        image_size: side of an image in pixels.
        seed: of the world.
        start: number of the first group.
        pipeline: transforms that a sample goes through.
        test_mode: as in `ImageTextDataset`.

    Raises:
        ValueError: for an argument out of range.
    """

    METAINFO = {'dataset_type': 'ShapeWorldPairs', 'forms': FORMS}

    def __init__(
        self,
        num_groups: int,
        image_size: int = 64,
        seed: int = 0,
        start: int = 0,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
    ) -> None:
        super().__init__('num_groups', num_groups, 2 * PAIRS_PER_GROUP, image_size, seed, start, pipeline, test_mode)

    def load_data_list(self) -> list[dict]:
        data_list = []
        for index in self.numbers:
            group = pair_group_of(self.seed, index)
            for pair, label in enumerate(group.labels):
                number = index * PAIRS_PER_GROUP + pair
                data_list.append(
                    {
                        'image_id': number,
                        'text': [group.text],
                        'text_ids': [number],
                        'gt_label': int(label),
                        'identifier': f'world-{index}-{pair}-0',
                    }
                )
        return data_list

    def scenes_of(self, image_id: int) -> tuple[Scene, ...]:
        index, pair = divmod(image_id, PAIRS_PER_GROUP)
        return pair_group_of(self.seed, index).pairs[pair]
