import pytest

from sacl_mm.datasets.shape_world import (
    MARGIN,
    Count,
    Description,
    Exists,
    Pair,
    Scene,
    WorldObject,
    captions_of,
    count,
    holds,
    scene_of,
)
from sacl_mm.datasets.shape_world.claim import satisfied_share

RED_STAR = WorldObject('star', 'red', 'small', 'plain', 300, 300)
SECOND_RED_STAR = WorldObject('star', 'red', 'large', 'dotted', 700, 200)
BLUE_HEART = WorldObject('heart', 'blue', 'large', 'striped', 500, 800)
SCENE = Scene((RED_STAR, SECOND_RED_STAR, BLUE_HEART))

RED, BLUE, STAR, SMALL = (
    Description(colour='red'),
    Description(colour='blue'),
    Description(shape='star'),
    Description(size='small'),
)


@pytest.mark.parametrize(
    ('claim', 'truth'),
    [
        (Exists(RED), True),
        (Exists(Description('star', 'red', 'small', 'plain')), True),
        (Exists(Description('star', 'red', 'small', 'dotted')), False),  # each is there, but not in one object
        (Exists(Description('star', 'blue')), False),
        (Count(RED, 2), True),
        (Count(RED, 1), False),  # exactly, not at least
        (Count(Description(), 3), True),
        (Pair(RED, BLUE), True),
        (Pair(RED, STAR), True),  # two red stars: one is the red one, the other the star
        (Pair(BLUE, Description(shape='heart')), False),  # both are the same object
        (Pair(SMALL, RED), True),
        (Pair(BLUE, BLUE), False),
        (Pair(RED, BLUE, 'left'), True),
        (Pair(RED, BLUE, 'right'), True),  # the other red star
        (Pair(SMALL, BLUE, 'right'), False),
        (Pair(RED, BLUE, 'above'), True),
        (Pair(RED, BLUE, 'below'), False),
        (Pair(RED, RED, 'below'), True),
    ],
)
def test_truth(claim, truth):
    assert holds(claim, SCENE) is truth


@pytest.mark.parametrize(('distance', 'truth'), [(MARGIN, True), (MARGIN - 1, False), (-MARGIN, False)])
def test_a_relation_needs_the_margin(distance, truth):
    other = WorldObject('heart', 'blue', 'large', 'plain', 300 + distance, 300 + distance)
    scene = Scene((RED_STAR, other))
    assert holds(Pair(RED, BLUE, 'left'), scene) is truth
    assert holds(Pair(BLUE, RED, 'right'), scene) is truth
    assert holds(Pair(RED, BLUE, 'above'), scene) is truth
    assert holds(Pair(BLUE, RED, 'below'), scene) is truth


def test_count_and_exclusion():
    assert count(RED, SCENE) == 2
    assert count(Description(), SCENE) == 3
    assert count(Description(texture='checked'), SCENE) == 0
    assert RED.excludes(BLUE)
    assert not RED.excludes(STAR)
    assert not RED.excludes(RED)


def test_bad_input():
    with pytest.raises(ValueError, match='shape is None or one of'):
        Description(shape='ellipse')
    with pytest.raises(ValueError, match='relation is None or one of'):
        Pair(RED, BLUE, 'behind')
    with pytest.raises(ValueError, match=r'number lies in 1 \.\. 5'):
        Count(RED, 6)
    with pytest.raises(TypeError, match='Exists, Count or Pair'):
        holds('a red star', SCENE)


@pytest.mark.parametrize(
    ('claim', 'share'),
    [
        (Exists(Description('star', 'red', 'small', 'dotted')), 3 / 4),
        (Exists(Description('star', 'blue')), 1 / 2),
        (Exists(Description(colour='green')), 0),
        (Count(RED, 1), 1 / 2),  # one too many
        (Count(Description('star', 'red'), 3), 2 / 3),  # one too few, and nothing of it is in the heart
        (Count(Description('heart', 'red'), 1), 1 / 2),
        (Pair(BLUE, Description(shape='heart')), 1 / 2),  # the same object cannot serve twice
        (Pair(SMALL, BLUE, 'right'), 2 / 3),  # both are there, in the other order
        (Pair(Description('star', 'red'), Description('heart', 'red'), 'left'), 4 / 5),
    ],
)
def test_share(claim, share):
    assert satisfied_share(claim, SCENE) == pytest.approx(share)


def test_share_is_one_exactly_when_the_claim_holds():
    scenes = [scene_of(0, index) for index in range(40)]
    claims = [claim for index in range(40) for claim, _ in captions_of(0, index, 5)]
    for claim in claims:
        for scene in scenes:
            share = satisfied_share(claim, scene)
            assert 0 <= share <= 1
            assert (share == 1) is holds(claim, scene)


def test_share_of_a_lone_object():
    lone = Scene((RED_STAR,))
    assert satisfied_share(Pair(RED, Description()), lone) == 1 / 2
    assert satisfied_share(Pair(BLUE, BLUE), lone) == 0
    with pytest.raises(TypeError, match='Exists, Count or Pair'):
        satisfied_share('a red star', lone)
