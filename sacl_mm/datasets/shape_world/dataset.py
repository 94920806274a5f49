"""The shape world as a dataset of images with several captions each; nothing is read from or written to disk."""

from collections.abc import Callable, Sequence

import numpy as np

from sacl_mm.datasets.shape_world.claim import Claim
from sacl_mm.datasets.shape_world.drawn_dataset import DrawnDataset
from sacl_mm.datasets.shape_world.relevance import relevance_matrix
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, Scene
from sacl_mm.datasets.shape_world.world import captions_of, check_world, scene_of
from sacl_mm.registry import DATASETS


@DATASETS.register_module()
class ShapeWorld(DrawnDataset):
    """Rendered scenes `start` to `start + num_images - 1` of the world with that seed.

    A sample has `img`, `text` (all captions), `image_id` (the scene's number) and `text_ids`
    (`image_id * captions_per_image + k`). Ranges of scenes that do not meet are splits of one world.

    Args:
        num_images: how many scenes.
        image_size: side of the image in pixels.
        captions_per_image: how many captions, all true, no two saying the same.
        seed: of the world.
        start: number of the first scene.
        detail: how many attributes more are named of each object, from -3 to 3: the more, the fewer images does a caption
            describe.
        pipeline: transforms that a sample goes through.
        test_mode: as in `ImageTextDataset`.

    Raises:
        ValueError: for an argument out of range.
    """

    METAINFO = {'dataset_type': 'ShapeWorld', **ATTRIBUTES}

    def __init__(
        self,
        num_images: int,
        image_size: int = 64,
        captions_per_image: int = 5,
        seed: int = 0,
        start: int = 0,
        detail: int = 0,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
    ) -> None:
        check_world(seed, captions_per_image, detail)
        self.captions_per_image, self.detail = captions_per_image, detail
        about = {'captions_per_image': captions_per_image, 'detail': detail}
        super().__init__('num_images', num_images, 1, image_size, seed, start, pipeline, test_mode, about)

    def load_data_list(self) -> list[dict]:
        data_list = []
        for image_id in self.numbers:
            captions = captions_of(self.seed, image_id, self.captions_per_image, self.detail)
            first = image_id * self.captions_per_image
            data_list.append(
                {
                    'image_id': image_id,
                    'text': [text for _, text in captions],
                    'text_ids': list(range(first, first + self.captions_per_image)),
                }
            )
        return data_list

    def scenes_of(self, image_id: int) -> tuple[Scene, ...]:
        return (scene_of(self.seed, image_id),)

    @property
    def scenes(self) -> list[Scene]:
        """The N scenes, in the order of the samples."""
        return [scene_of(self.seed, image_id) for image_id in self._image_ids()]

    @property
    def claims(self) -> list[Claim]:
        """What the captions say, T = N * captions_per_image, in the order of the samples."""
        return [
            claim
            for image_id in self._image_ids()
            for claim, _ in captions_of(self.seed, image_id, self.captions_per_image, self.detail)
        ]

    def relevance(self) -> np.ndarray:
        """(N, T) bool: which caption is true of which image."""
        return relevance_matrix(self.claims, self.scenes)

    def _image_ids(self) -> list[int]:
        # Through the samples, so that a subset (`get_subset_`) stays consistent.
        return [super(ShapeWorld, self).get_data_info(i)['image_id'] for i in range(len(self))]
