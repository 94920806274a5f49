import numpy as np
import pytest

from sacl_mm.datasets.shape_world import (
    ATTRIBUTES,
    COLOURS,
    MARGIN,
    MAX_OBJECTS,
    RADII,
    SIDE,
    Scene,
    WorldObject,
    encode_scene,
    sample_scene,
    scene_of,
)


def test_objects_lie_inside_apart_and_in_a_clear_order():
    numbers = set()
    for index in range(200):
        scene = scene_of(0, index)
        numbers.add(len(scene.objects))
        for i, a in enumerate(scene.objects):
            radius = RADII[a.size]
            assert radius <= a.x <= SIDE - radius
            assert radius <= a.y <= SIDE - radius
            for b in scene.objects[:i]:
                assert abs(a.x - b.x) >= MARGIN
                assert abs(a.y - b.y) >= MARGIN
                assert np.hypot(a.x - b.x, a.y - b.y) >= radius + RADII[b.size]
    assert numbers == {2, 3, 4, 5}


def test_every_value_occurs():
    objects = [item for index in range(300) for item in scene_of(1, index).objects]
    for name, values in ATTRIBUTES.items():
        assert {getattr(item, name) for item in objects} == set(values)


def test_sampling_depends_on_the_generator_only():
    assert sample_scene(np.random.default_rng(3)) == sample_scene(np.random.default_rng(3))
    assert sample_scene(np.random.default_rng(3)) != sample_scene(np.random.default_rng(4))


def test_code_gives_the_objects_back():
    for index in range(20):
        scene = scene_of(0, index)
        codes = encode_scene(scene)
        assert codes.shape == (MAX_OBJECTS, 6)
        rows = [row.tolist() for row in codes if row[0] >= 0]
        looks = [[values[row[k]] for k, values in enumerate(ATTRIBUTES.values())] for row in rows]
        assert tuple(WorldObject(*look, *row[4:]) for look, row in zip(looks, rows, strict=True)) == scene.objects
        assert (codes[len(scene.objects) :] == -1).all()


def test_bad_input():
    with pytest.raises(ValueError, match='colour is one of'):
        WorldObject('star', 'grey', 'small', 'plain', 10, 10)
    with pytest.raises(ValueError, match='x and y lie in'):
        WorldObject('star', COLOURS[0], 'small', 'plain', 10, SIDE + 1)
    with pytest.raises(ValueError, match='1 to 5 objects'):
        Scene(())
