"""The endless list of scenes: scene number `index` of the world with a seed, and its captions.

Each depends on (seed, index) only: not on how many are asked for, nor on the process.
"""

from functools import lru_cache

import numpy as np

from sacl_mm.datasets.shape_world.caption import sample_claim, word_claim
from sacl_mm.datasets.shape_world.claim import Claim
from sacl_mm.datasets.shape_world.scene import Scene, sample_scene

_SCENE_STREAM, _CAPTION_STREAM = 0, 1
MAX_CAPTIONS = 20


def check_world(seed: int, captions_per_image: int) -> None:
    """Raises ValueError unless both can describe a world."""
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f'seed must be an integer >= 0, got {seed!r}')
    if not isinstance(captions_per_image, int) or not 1 <= captions_per_image <= MAX_CAPTIONS:
        raise ValueError(f'captions_per_image must be an integer in 1 .. {MAX_CAPTIONS}, got {captions_per_image!r}')


# Scenes are asked for again for their captions, their picture and their relevance.
@lru_cache(maxsize=2**14)
def scene_of(seed: int, index: int) -> Scene:
    """Scene number `index`."""
    return sample_scene(np.random.default_rng((seed, index, _SCENE_STREAM)))


def captions_of(seed: int, index: int, number: int) -> list[tuple[Claim, str]]:
    """`number` different claims that are true of scene `index`, with their wording; more begin with the same ones."""
    scene = scene_of(seed, index)
    rng = np.random.default_rng((seed, index, _CAPTION_STREAM))
    captions: dict[Claim, str] = {}
    while len(captions) < number:
        claim = sample_claim(scene, rng)
        if claim not in captions:
            captions[claim] = word_claim(claim, rng)
    return list(captions.items())
