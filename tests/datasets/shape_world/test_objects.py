import numpy as np
import pytest

from sacl_mm.datasets import ShapeWorldObjects
from sacl_mm.datasets.shape_world import ATTRIBUTES, look_number, render_scene
from sacl_mm.datasets.shape_world.world import lone_object_of


def test_items_are_pictures_of_one_object_with_its_look():
    data = ShapeWorldObjects(num_images=6, image_size=32, start=10)
    for number, sample in enumerate(data, start=10):
        scene = lone_object_of(0, number)
        assert len(scene.objects) == 1
        np.testing.assert_array_equal(sample['img'], render_scene(scene, 32))
        code = sample['gt_label']
        for name, values in reversed(ATTRIBUTES.items()):
            code, index = divmod(code, len(values))
            assert values[index] == getattr(scene.objects[0], name)
        assert code == 0


def test_all_looks_occur_and_places_vary():
    scenes = [lone_object_of(1, number) for number in range(4000)]
    looks = np.bincount([look_number(scene.objects[0]) for scene in scenes], minlength=384)
    assert len(looks) == 384
    assert looks.max() < 30
    assert (looks > 0).mean() > 0.99
    assert len({(scene.objects[0].x, scene.objects[0].y) for scene in scenes}) > 3900


def test_splits_and_seeds_differ():
    first, again, later, other = (
        ShapeWorldObjects(num_images=20, image_size=16, **options)
        for options in (dict(), dict(), dict(start=20), dict(seed=1))
    )
    labels = [[sample['gt_label'] for sample in data] for data in (first, again, later, other)]
    assert labels[0] == labels[1]
    assert labels[0] not in labels[2:]


@pytest.mark.parametrize('options', [dict(num_images=0), dict(seed=-1), dict(start=-1), dict(image_size=3)])
def test_bad_arguments(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ShapeWorldObjects(**dict(num_images=2) | options)
