import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sacl_mm.datasets.shape_world import ShapeWorld, ShapeWorldRelevance, captions_of, holds, render_scene, scene_of
from sacl_mm.registry import DATASETS


def test_a_sample():
    dataset = DATASETS.build({'type': 'ShapeWorld', 'num_images': 6, 'captions_per_image': 3, 'seed': 2, 'start': 40})
    assert len(dataset) == 6
    sample = dataset[4]
    assert sample['image_id'] == 44
    assert sample['text'] == [text for _, text in captions_of(2, 44, 3)]
    assert sample['text_ids'] == [132, 133, 134]
    assert np.array_equal(sample['img'], render_scene(scene_of(2, 44), 64))


def test_scene_depends_on_seed_and_number_only():
    wide = ShapeWorld(20, captions_per_image=5)
    narrow = ShapeWorld(3, captions_per_image=2, start=10, image_size=32)
    for i in range(3):
        a, b = wide[10 + i], narrow[i]
        assert a['image_id'] == b['image_id']
        assert a['text'][:2] == b['text']
        assert b['img'].shape == (32, 32, 3)
    assert wide.scenes[10:13] == narrow.scenes
    assert ShapeWorld(3, seed=1, start=10).scenes != narrow.scenes


def test_another_process_sees_the_same():
    code = (
        'from sacl_mm.datasets.shape_world import ShapeWorld; s = ShapeWorld(1, start=5)[0]; '
        "print('|'.join(s['text']), int(s['img'].sum()))"
    )
    root = Path(__file__).parents[3]
    printed = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True, check=True).stdout
    sample = ShapeWorld(1, start=5)[0]
    assert printed.strip().splitlines()[-1] == f'{"|".join(sample["text"])} {int(sample["img"].sum())}'


def test_relevance_of_the_split():
    dataset = ShapeWorld(12, captions_per_image=3, start=100)
    relevant = dataset.relevance()
    assert np.array_equal(relevant, [[holds(claim, scene) for claim in dataset.claims] for scene in dataset.scenes])
    known = ShapeWorldRelevance(captions_per_image=3)
    samples = [dataset[i] for i in range(12)]
    text_ids = np.concatenate([sample['text_ids'] for sample in samples])
    assert np.array_equal(relevant, known(np.array([sample['image_id'] for sample in samples]), text_ids))


def test_relevance_follows_a_subset():
    dataset = ShapeWorld(8, captions_per_image=2)
    subset = dataset.get_subset([5, 1])
    assert subset.scenes == [scene_of(0, 5), scene_of(0, 1)]
    assert np.array_equal(subset.relevance(), dataset.relevance()[[5, 1]][:, [10, 11, 2, 3]])


def test_pipeline_and_metainfo():
    dataset = ShapeWorld(2, seed=4, pipeline=[lambda sample: {'mean': sample['img'].mean()}], test_mode=True)
    assert set(dataset[0]) == {'mean'}
    assert dataset.metainfo['dataset_type'] == 'ShapeWorld'
    assert dataset.metainfo['seed'] == 4
    assert dataset.metainfo['captions_per_image'] == 5
    assert 'star' in dataset.metainfo['shape']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_images': 0}, 'num_images must be a whole number of at least 1, got 0'),
        ({'num_images': 2.5}, 'num_images must be a whole number'),
        ({'num_images': 1, 'image_size': 8}, 'image_size must be a whole number of at least 16'),
        ({'num_images': 1, 'start': -1}, 'start must be a whole number of at least 0'),
        ({'num_images': 1, 'seed': -1}, 'seed must be a whole number of at least 0'),
        ({'num_images': 1, 'captions_per_image': 0}, 'captions_per_image must be a whole number from 1 to 20'),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShapeWorld(**arguments)


@pytest.mark.parametrize('kept', [10**9, 0])
def test_a_kept_image_is_not_changed_by_who_gets_it(kept, monkeypatch):
    monkeypatch.setattr('sacl_mm.datasets.shape_world.drawn_dataset._MAX_KEPT_BYTES', kept)
    dataset = ShapeWorld(2, image_size=32)
    for _ in range(2):
        image = dataset[1]['img']
        assert np.array_equal(image, render_scene(scene_of(0, 1), 32))
        image[:] = 0
    assert len(dataset._kept) == (1 if kept else 0)
