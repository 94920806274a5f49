import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sacl_mm.datasets import EpochSampler, ShapeWorldQuestions
from sacl_mm.datasets.shape_world import answer, counted_scene_of, questions_of, render_scene, shape_world_answers
from sacl_mm.registry import DATASETS, TASK_UTILS

TOKENIZER = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))


def test_a_sample():
    dataset = DATASETS.build(
        {'type': 'ShapeWorldQuestions', 'num_images': 3, 'questions_per_image': 4, 'seed': 2, 'start': 40}
    )
    assert len(dataset) == 12
    sample = dataset[6]
    scene, _ = counted_scene_of(2, 41)
    question, kind, text = questions_of(2, 41, 4)[2]
    image = sample.pop('img')
    said = answer(question, scene)
    assert sample.pop('sample_idx') == 6
    assert sample == {
        'image_id': 41,
        'text': [text],
        'text_ids': [166],
        'question_id': 166,
        'gt_answer': [said],
        'gt_answer_weight': [1.0],
        'gt_human_answers': [said],
        'question_type': kind,
    }
    assert np.array_equal(image, render_scene(scene, 64))


def test_questions_depend_on_seed_and_number_only():
    wide, narrow = ShapeWorldQuestions(20, questions_per_image=5), ShapeWorldQuestions(3, 32, 5, start=10)
    for i in range(15):
        a, b = wide[50 + i], narrow[i]
        assert b['img'].shape == (32, 32, 3)
        assert all(a[key] == b[key] for key in a if key not in ('img', 'sample_idx'))
    assert ShapeWorldQuestions(3, 32, 5, seed=1, start=10)[0]['text'] != narrow[0]['text']


def test_ranges_are_splits():
    train, test = ShapeWorldQuestions(60), ShapeWorldQuestions(60, start=60)
    ids = [{dataset[i]['question_id'] for i in range(len(dataset))} for dataset in (train, test)]
    assert not ids[0] & ids[1]
    assert len(ids[0]) == 240
    scenes = [{counted_scene_of(0, i)[0] for i in part} for part in (range(60), range(60, 120))]
    assert not scenes[0] & scenes[1]


def test_another_process_sees_the_same():
    code = (
        'from sacl_mm.datasets.shape_world import ShapeWorldQuestions as Q; s = Q(1, start=5)[1]; '
        "print(s['text'][0], s['gt_answer'][0], int(s['img'].sum()))"
    )
    root = Path(__file__).parents[3]
    printed = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True, check=True).stdout
    sample = ShapeWorldQuestions(1, start=5)[1]
    expected = f'{sample["text"][0]} {sample["gt_answer"][0]} {int(sample["img"].sum())}'
    assert printed.strip().splitlines()[-1] == expected


def test_it_works_with_the_sampler_the_tokenizer_and_a_subset():
    dataset = ShapeWorldQuestions(4, image_size=32, pipeline=[dict(type='sacl_mm.TokenizeText', tokenizer=TOKENIZER)])
    samples = [dataset[index] for index in EpochSampler(dataset, shuffle=True)]
    assert len(samples) == 16
    for sample in samples:
        assert len(sample['token_ids'][0]) == len(sample['text'][0].split()) + 2
    assert dataset.get_subset([9, 2])[0]['question_id'] == 9


def test_answers_and_metainfo():
    answers = TASK_UTILS.build({'type': 'shape_world_answers'})
    assert answers == shape_world_answers()
    assert len(set(answers)) == 26
    dataset = ShapeWorldQuestions(60, seed=4)
    assert {dataset[i]['gt_answer'][0] for i in range(len(dataset))} <= set(answers)
    assert dataset.metainfo['dataset_type'] == 'ShapeWorldQuestions'
    assert dataset.metainfo['seed'] == 4
    assert list(dataset.metainfo['answers']) == answers


def test_a_kept_image_is_not_changed_by_who_gets_it():
    dataset = ShapeWorldQuestions(2, image_size=32)
    dataset[1]['img'][:] = 0
    assert np.array_equal(dataset[2]['img'], render_scene(counted_scene_of(0, 0)[0], 32))
    assert len(dataset._kept) == 1  # one image for all of its questions


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_images': 0}, 'num_images must be a whole number of at least 1, got 0'),
        ({'num_images': 1, 'image_size': 8}, 'image_size must be a whole number of at least 16'),
        ({'num_images': 1, 'start': -1}, 'start must be a whole number of at least 0'),
        ({'num_images': 1, 'seed': 0.5}, 'seed must be a whole number of at least 0'),
        ({'num_images': 1, 'questions_per_image': 0}, 'questions_per_image must be a whole number from 1 to 5'),
        ({'num_images': 1, 'questions_per_image': 6}, 'questions_per_image must be a whole number from 1 to 5, got 6'),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShapeWorldQuestions(**arguments)
