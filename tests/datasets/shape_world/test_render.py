import dataclasses

import cv2
import numpy as np
import pytest

from sacl_mm.datasets.shape_world import COLOURS, SHAPES, TEXTURES, Scene, WorldObject, render_scene, scene_of


def of_one(shape='circle', colour='red', size='large', texture='plain', x=500, y=500, nuisance=0):
    return Scene((WorldObject(shape, colour, size, texture, x, y),), nuisance)


@pytest.mark.parametrize('size', [32, 64, 97, 224])
def test_any_size_and_deterministic(size):
    image = render_scene(scene_of(0, 1), size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert np.array_equal(image, render_scene(scene_of(0, 1), size))


def test_resolutions_show_the_same_image():
    for index in range(10):
        scene = scene_of(0, index)
        small = render_scene(scene, 64).astype(float)
        shrunk = cv2.resize(render_scene(scene, 256), (64, 64), interpolation=cv2.INTER_AREA).astype(float)
        moved = np.roll(shrunk, 2, axis=(0, 1))
        assert np.abs(small - shrunk).mean() < 0.5 * np.abs(small - moved).mean()


def test_nuisance_changes_the_image_a_little():
    scene = scene_of(0, 3)
    other = dataclasses.replace(scene, nuisance=scene.nuisance + 1)
    assert not np.array_equal(render_scene(scene, 64), render_scene(other, 64))


def test_object_is_where_the_scene_says():
    image = render_scene(of_one(colour='black', x=250, y=700), 100).astype(int)
    rows, columns = np.nonzero(image.sum(-1) < 200)
    assert abs(columns.mean() - 25) < 1
    assert abs(rows.mean() - 70) < 1


def test_colours_stay_apart_under_tint():
    """The colour at the centre is nearest to the mean of its own name, for every tint."""
    seen = {
        colour: np.array([render_scene(of_one(colour=colour, nuisance=n), 64)[32, 32] for n in range(30)], float)
        for colour in COLOURS
    }
    means = np.stack([values.mean(0) for values in seen.values()])
    for k, values in enumerate(seen.values()):
        nearest = np.linalg.norm(values[:, None] - means, axis=-1).argmin(1)
        assert (nearest == k).all()


@pytest.mark.parametrize('size', ['small', 'large'])
def test_looks_differ_at_64_pixels(size):
    """Any two shapes with one texture, and any two textures of one shape, differ visibly in the same scene."""
    images = {(s, t): render_scene(of_one(s, 'yellow', size, t), 64).astype(float) for s in SHAPES for t in TEXTURES}
    for (shape, texture), image in images.items():
        for (other_shape, other_texture), other in images.items():
            if (shape == other_shape) != (texture == other_texture):
                assert (np.abs(image - other).max(-1) > 40).sum() >= 12


def test_large_covers_more_than_small():
    def area(size, shape, nuisance):
        return (render_scene(of_one(shape, 'black', size, nuisance=nuisance), 64).sum(-1) < 300).sum()

    for shape in SHAPES:
        assert min(area('large', shape, n) for n in range(8)) > 1.5 * max(area('small', shape, n) for n in range(8))
