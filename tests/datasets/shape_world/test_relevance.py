import numpy as np
import pytest

from sacl_mm.datasets.shape_world import (
    ATTRIBUTES,
    RELATIONS,
    Count,
    Description,
    Exists,
    Pair,
    Scene,
    ShapeWorldRelevance,
    WorldObject,
    captions_of,
    encode_claim,
    holds,
    relevance_matrix,
    scene_of,
)
from sacl_mm.registry import TASK_UTILS


def random_description(rng):
    chosen = {name: str(rng.choice(values)) for name, values in ATTRIBUTES.items() if rng.random() < 0.3}
    return Description(**chosen)


def random_claim(rng):
    kind = rng.integers(3)
    if kind == 0:
        return Exists(random_description(rng))
    if kind == 1:
        return Count(random_description(rng), int(rng.integers(1, 6)))
    relation = (None, *RELATIONS)[rng.integers(5)]
    return Pair(random_description(rng), random_description(rng), relation)


def crowded_scene(rng):
    """Few looks, so that objects repeat, and few places, so that distances of exactly the margin occur."""
    objects = [
        WorldObject(
            *(values[rng.integers(2)] for values in ATTRIBUTES.values()), *(500 + 30 * rng.integers(-3, 4, 2)).tolist()
        )
        for _ in range(rng.integers(1, 6))
    ]
    return Scene(tuple(objects))


def test_equals_the_loop_over_holds():
    rng = np.random.default_rng(0)
    scenes = [crowded_scene(rng) for _ in range(40)] + [scene_of(0, index) for index in range(20)]
    claims = [random_claim(rng) for _ in range(400)] + [c for i in range(20) for c, _ in captions_of(0, i, 5)]
    claims += claims[:3]  # repeated claims
    expected = np.array([[holds(claim, scene) for claim in claims] for scene in scenes])
    relevant = relevance_matrix(claims, scenes)
    assert relevant.dtype == bool
    assert 0.02 < expected.mean() < 0.98
    assert np.array_equal(relevant, expected)


def test_empty_input():
    scenes, claims = [scene_of(0, 0)], [Exists(Description('star'))]
    assert relevance_matrix([], scenes).shape == (1, 0)
    assert relevance_matrix(claims, []).shape == (0, 1)


def test_false_negatives_are_neither_absent_nor_everywhere():
    scenes = [scene_of(0, index) for index in range(300)]
    claims = [claim for index in range(300) for claim, _ in captions_of(0, index, 5)]
    relevant = relevance_matrix(claims, scenes)
    own = np.repeat(np.arange(300), 5) == np.arange(300)[:, None]
    assert relevant[own].all()
    share = (relevant & ~own).sum(0) / 299
    assert 0.09 < share.mean() < 0.15
    assert (share < 0.01).mean() > 0.1
    assert (share > 0.2).mean() > 0.04


def test_callable_knows_the_world_from_ids():
    known = TASK_UTILS.build({'type': 'ShapeWorldRelevance', 'seed': 3, 'captions_per_image': 4})
    image_ids, text_ids = np.array([7, 100_000, 7]), np.array([28, 31, 400_002, 28, 12])
    claims = [captions_of(3, text // 4, 4)[text % 4][0] for text in text_ids.tolist()]
    expected = [[holds(claim, scene_of(3, image)) for claim in claims] for image in image_ids.tolist()]
    for _ in range(2):  # generated, then remembered
        assert np.array_equal(known(image_ids, text_ids), expected)
    assert known(image_ids, np.array([], int)).shape == (3, 0)


def test_bad_input():
    with pytest.raises(ValueError, match='seed must be a whole number'):
        ShapeWorldRelevance(seed=-1)
    with pytest.raises(ValueError, match='captions_per_image must be'):
        ShapeWorldRelevance(captions_per_image=0)
    known = ShapeWorldRelevance()
    with pytest.raises(ValueError, match='image_ids must be one-dimensional'):
        known(np.zeros((2, 2), int), np.zeros(2, int))
    with pytest.raises(ValueError, match='text_ids must be one-dimensional and not negative'):
        known(np.zeros(2, int), np.array([-1]))
    with pytest.raises(TypeError, match='Exists, Count or Pair'):
        encode_claim('a red star')
