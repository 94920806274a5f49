"""The validation split with all that is known about it. Shapes: N pictures, T captions."""

import numpy as np

from sacl_mm.datasets import ShapeWorld
from sacl_mm.datasets.shape_world import Claim, Scene, captions_of
from sacl_mm.report.marks import Mark, mark_of


class Validation:
    """`own_NT`: which captions were written for which picture; `relevant_NT`: which are true of it."""

    def __init__(self, dataset: ShapeWorld) -> None:
        self.scenes: list[Scene] = dataset.scenes
        self.claims: list[Claim] = dataset.claims
        self.captions_per_image = dataset.captions_per_image
        image_ids = dataset.numbers
        self.image_ids_N = np.array(image_ids)
        self.captions = [text for i in image_ids for _, text in captions_of(dataset.seed, i, self.captions_per_image)]
        self.relevant_NT = dataset.relevance()
        owner_T = np.arange(len(self.claims)) // self.captions_per_image
        self.own_NT = owner_T[None, :] == np.arange(len(self.scenes))[:, None]

    def mark(self, image: int, text: int) -> Mark:
        return mark_of(self.claims[text], self.scenes[image], bool(self.own_NT[image, text]))

    def first_captions(self, images: np.ndarray) -> np.ndarray:
        """Index of each picture's first caption."""
        return images * self.captions_per_image
