"""The endless lists of scenes with captions, with questions and of pairs of scenes with statements.

Each depends on (seed, index) only: not on how many are asked for, nor on the process.
"""

from functools import lru_cache

import numpy as np

from sacl_mm.datasets.shape_world.caption import sample_claim, word_claim
from sacl_mm.datasets.shape_world.claim import Claim
from sacl_mm.datasets.shape_world.pair_statement import PairGroup, sample_group
from sacl_mm.datasets.shape_world.question import KINDS, HowMany, Question, sample_counted_scene, sample_question
from sacl_mm.datasets.shape_world.question_text import word_question
from sacl_mm.datasets.shape_world.scene import Scene, sample_scene
from sacl_mm.functional.settings import check_count

_SCENE_STREAM, _CAPTION_STREAM, _COUNTED_SCENE_STREAM, _QUESTION_STREAM, _PAIR_STREAM = range(5)
MAX_CAPTIONS = 20
MAX_DETAIL = 3  # of four attributes


def check_world(seed: int, captions_per_image: int, detail: int = 0) -> None:
    """Raises ValueError unless they can describe a world."""
    check_count('seed', seed, 0)
    check_count('detail', detail, -MAX_DETAIL, MAX_DETAIL)
    check_count('captions_per_image', captions_per_image, most=MAX_CAPTIONS)


# Scenes are asked for again for their captions, their image and their relevance.
@lru_cache(maxsize=2**14)
def scene_of(seed: int, index: int) -> Scene:
    """Scene number `index`."""
    return sample_scene(np.random.default_rng((seed, index, _SCENE_STREAM)))


def captions_of(seed: int, index: int, number: int, detail: int = 0) -> list[tuple[Claim, str]]:
    """`number` different claims that are true of scene `index`, with their wording; more begin with the same ones.
    `detail`: see `sample_claim`."""
    scene = scene_of(seed, index)
    rng = np.random.default_rng((seed, index, _CAPTION_STREAM))
    captions: dict[Claim, str] = {}
    while len(captions) < number:
        claim = sample_claim(scene, rng, detail)
        if claim not in captions:
            captions[claim] = word_claim(claim, rng)
    return list(captions.items())


@lru_cache(maxsize=2**14)
def counted_scene_of(seed: int, index: int) -> tuple[Scene, HowMany]:
    """Scene number `index` of those that questions are asked about, and the one of them that it was made for."""
    return sample_counted_scene(np.random.default_rng((seed, index, _COUNTED_SCENE_STREAM)))


def questions_of(seed: int, index: int, number: int) -> list[tuple[Question, str, str]]:
    """`number` questions about the scene `counted_scene_of(seed, index)` with their kind and their wording.

    No two are of the same kind, the kinds are in random order, and more questions begin with the same ones.
    """
    scene, how_many = counted_scene_of(seed, index)
    rng = np.random.default_rng((seed, index, _QUESTION_STREAM))
    questions = []
    for kind in [KINDS[i] for i in rng.permutation(len(KINDS))[:number]]:
        question = how_many if kind == 'count' else sample_question(kind, scene, rng)
        questions.append((question, kind, word_question(question, rng)))
    return questions


@lru_cache(maxsize=2**13)
def pair_group_of(seed: int, index: int) -> PairGroup:
    """Group number `index` of a statement with its pairs of scenes."""
    return sample_group(np.random.default_rng((seed, index, _PAIR_STREAM)))
