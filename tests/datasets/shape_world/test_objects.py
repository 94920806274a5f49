import numpy as np
import pytest

from sacl_mm.datasets import ShapeWorldObjects
from sacl_mm.datasets.shape_world import ATTRIBUTES, Scene, WorldObject, label_cells, render_scene
from sacl_mm.datasets.shape_world.world import scene_of


def test_items_are_scenes_with_what_is_where():
    data = ShapeWorldObjects(num_images=6, image_size=32, start=10)
    for number, sample in enumerate(data, start=10):
        scene = scene_of(0, number)
        np.testing.assert_array_equal(sample['img'], render_scene(scene, 32))
        np.testing.assert_array_equal(sample['gt_cell_labels'], label_cells(scene, 4))
        assert sample['gt_cell_labels'].shape == (16, 4)


def test_a_cell_has_the_look_of_the_object_centred_in_it():
    left = WorldObject('star', 'red', 'small', 'dotted', x=130, y=600)
    right = WorldObject('heart', 'blue', 'large', 'plain', x=1000, y=499)
    labels = label_cells(Scene((left, right)), grid=2).reshape(2, 2, 4)
    for cell, item in (((1, 0), left), ((0, 1), right)):
        for index, (name, values) in zip(labels[cell], ATTRIBUTES.items(), strict=True):
            assert values[index] == getattr(item, name)
    assert (labels[0, 0] == -1).all()
    assert (labels[1, 1] == -1).all()


def test_presence_is_labelled_in_every_cell():
    data = ShapeWorldObjects(num_images=5, image_size=16, grid=8, presence=True)
    for sample in data:
        labels = sample['gt_cell_labels']
        assert labels.shape == (64, 5)
        np.testing.assert_array_equal(labels[:, :4], label_cells(scene_of(0, sample['image_id']), 8))
        np.testing.assert_array_equal(labels[:, 4], labels[:, 0] >= 0)
        assert 0 < labels[:, 4].sum() < 64


def test_splits_and_seeds_differ():
    first, again, later, other = (
        ShapeWorldObjects(num_images=20, image_size=16, **options)
        for options in (dict(), dict(), dict(start=20), dict(seed=1))
    )
    labels = [np.stack([sample['gt_cell_labels'] for sample in data]) for data in (first, again, later, other)]
    np.testing.assert_array_equal(labels[0], labels[1])
    assert not np.array_equal(labels[0], labels[2])
    assert not np.array_equal(labels[0], labels[3])


@pytest.mark.parametrize(
    'options', [dict(num_images=0), dict(seed=-1), dict(start=-1), dict(image_size=3), dict(grid=0)]
)
def test_bad_arguments(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ShapeWorldObjects(**dict(num_images=2) | options)
