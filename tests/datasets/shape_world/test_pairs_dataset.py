import numpy as np
import pytest

from sacl_mm.datasets import ShapeWorldPairs
from sacl_mm.datasets.shape_world import is_true, pair_group_of, render_scene
from sacl_mm.registry import DATASETS

TOKENIZER = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))


def test_a_sample():
    dataset = DATASETS.build({'type': 'ShapeWorldPairs', 'num_groups': 5, 'image_size': 32, 'seed': 2, 'start': 30})
    assert len(dataset) == 20
    sample = dataset[7]
    group = pair_group_of(2, 31)
    left, right = sample.pop('img')
    assert sample.pop('sample_idx') == 7
    assert sample == {
        'image_id': 127,
        'text': [group.text],
        'text_ids': [127],
        'gt_label': int(is_true(group.statement, *group.pairs[3])),
        'identifier': 'world-31-3-0',
    }
    assert np.array_equal(left, render_scene(group.pairs[3][0], 32))
    assert np.array_equal(right, render_scene(group.pairs[3][1], 32))


def test_groups_depend_on_seed_and_number_only_and_ranges_are_splits():
    wide, narrow = ShapeWorldPairs(12), ShapeWorldPairs(2, 32, start=10)
    for i in range(8):
        a, b = wide[40 + i], narrow[i]
        assert all(a[key] == b[key] for key in ('text', 'gt_label', 'identifier', 'image_id'))
    assert {wide[i]['identifier'] for i in range(40)}.isdisjoint(narrow[i]['identifier'] for i in range(8))
    assert pair_group_of(1, 10) != pair_group_of(0, 10)


def test_every_statement_is_true_of_half_of_its_pairs():
    dataset = ShapeWorldPairs(30, image_size=16)
    assert all(sum(dataset[4 * group + pair]['gt_label'] for pair in range(4)) == 2 for group in range(30))


def test_a_kept_image_is_not_changed_by_who_gets_it():
    dataset = ShapeWorldPairs(1, image_size=32)
    for image in dataset[0]['img']:
        image[:] = 0
    left, right = dataset[0]['img']
    assert np.array_equal(left, render_scene(pair_group_of(0, 0).pairs[0][0], 32))
    assert np.array_equal(right, render_scene(pair_group_of(0, 0).pairs[0][1], 32))
    assert not np.array_equal(left, right)


def test_packed_pairs_are_two_images():
    pack = dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=['token_ids', 'image_id', 'text_ids'],
        meta_keys=['text', 'identifier'],
    )
    dataset = ShapeWorldPairs(1, 32, pipeline=[dict(type='sacl_mm.TokenizeText', tokenizer=TOKENIZER), pack])
    packed = dataset[2]
    assert [tuple(image.shape) for image in packed['inputs']] == [(3, 32, 32)] * 2
    assert packed['data_samples'].identifier == 'world-0-2-0'
    assert packed['data_samples'].gt_label in (0, 1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_groups': 0}, 'num_groups must be a whole number of at least 1, got 0'),
        ({'num_groups': 1, 'image_size': 8}, 'image_size must be a whole number of at least 16'),
        ({'num_groups': 1, 'start': -1}, 'start must be a whole number of at least 0'),
        ({'num_groups': 1, 'seed': -1}, 'seed must be a whole number of at least 0'),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShapeWorldPairs(**arguments)
