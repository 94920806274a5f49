from collections import Counter

import numpy as np
import pytest

from sacl_mm.datasets.shape_world import (
    SIDE,
    Description,
    Pair,
    count,
    holds,
    sample_paint,
    sample_scene_with,
    scene_of,
    swap_values,
    turn,
)


@pytest.mark.parametrize('number', range(4))
def test_exactly_so_many_match(number):
    rng = np.random.default_rng(number)
    for _ in range(60):
        description = sample_paint(rng)
        assert count(description, sample_scene_with(description, number, rng)) == number


def test_others_nearly_match():
    rng = np.random.default_rng(0)
    scenes = [sample_scene_with(Description('star', 'red'), 1, rng) for _ in range(100)]
    others = [item for scene in scenes for item in scene.objects if (item.shape, item.colour) != ('star', 'red')]
    near_misses = [item for item in others if item.shape == 'star' or item.colour == 'red']
    assert 0.5 < len(near_misses) / len(others) < 0.8


def test_a_swap_exchanges_two_values_of_one_attribute_and_nothing_else():
    rng = np.random.default_rng(0)
    both_occur = 0
    for index in range(200):
        scene = scene_of(0, index)
        swapped = swap_values(scene, rng)
        changed = {
            (name, getattr(old, name), getattr(new, name))
            for old, new in zip(scene.objects, swapped.objects, strict=True)
            for name in ('shape', 'colour', 'size', 'texture', 'x', 'y')
            if getattr(old, name) != getattr(new, name)
        }
        assert len({name for name, _, _ in changed}) == 1
        assert 1 <= len(changed) <= 2
        assert len({frozenset((old, new)) for _, old, new in changed}) == 1
        assert 'size' not in {name for name, _, _ in changed}
        both_occur += len(changed) == 2
    assert 80 < both_occur < 180


def test_turning_reverses_every_relation():
    star, heart = Description('star'), Description('heart')
    for index in range(60):
        scene = scene_of(1, index)
        assert turn(turn(scene)) == scene
        for relation, reverse in (('left', 'right'), ('above', 'below')):
            assert holds(Pair(star, heart, relation), turn(scene)) is holds(Pair(star, heart, reverse), scene)
        assert min(item.x for item in turn(scene).objects) == SIDE - max(item.x for item in scene.objects)


def test_what_is_painted_is_every_name_as_often():
    rng = np.random.default_rng(0)
    painted = Counter(value for _ in range(4000) for value in vars(sample_paint(rng)).values())
    for values, number in ((('red', 'pink'), 8), (('star', 'heart'), 6), (('plain', 'dotted'), 4)):
        for value in values:
            assert painted[value] == pytest.approx(4000 * 1.4 / 3 / number, rel=0.2)


@pytest.mark.parametrize('description', [Description(), Description(size='small'), Description('star', size='large')])
def test_bad_input(description):
    with pytest.raises(ValueError, match='must fix some of'):
        sample_scene_with(description, 1, np.random.default_rng(0))
