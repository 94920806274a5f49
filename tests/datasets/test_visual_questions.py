"""VisualQuestions: items, several files and folders, the answer list, broken samples."""

import logging
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from PIL import Image
from question_examples import ALBEF, DAQUAR, VISUAL_GENOME, vqa_v2_annotations, vqa_v2_questions, write

import sacl_mm.datasets.image_text_dataset as base
import sacl_mm.datasets.visual_questions as module
import sacl_mm.reading_report as reports
from sacl_mm.datasets import BrokenSampleError, EpochSampler, VisualQuestions
from sacl_mm.registry import DATASETS

IMAGES = [
    'train2014/COCO_train2014_000000000009.jpg',
    'train2014/COCO_train2014_000000262144.jpg',
    'VG_100K_2/1.jpg',
    'VG_100K/5.jpg',
    'image/1.jpg',
    'images/image3.jpg',
    'images/image4.jpg',
]
VQA = dict(ann_file='questions.json', answer_file='annotations.json', data_prefix=dict(img_path='train2014'))
DAQUAR_OPTIONS = dict(ann_file='daquar.json', data_prefix=dict(img_path='images'))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(IMAGES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 6, 3), 10 * number, np.uint8)).save(tmp_path / name)
    write(tmp_path / 'questions.json', vqa_v2_questions())
    write(tmp_path / 'annotations.json', vqa_v2_annotations())
    write(tmp_path / 'vg.json', VISUAL_GENOME)
    write(tmp_path / 'albef.json', ALBEF[:2])
    write(tmp_path / 'daquar.json', DAQUAR)
    return tmp_path


@pytest.fixture
def log(monkeypatch) -> list[tuple[int, str]]:
    lines = []

    def record(message: str, logger: str, level: int = logging.INFO) -> None:
        lines.append((level, message))

    monkeypatch.setattr(module, 'print_log', record)
    monkeypatch.setattr(base, 'print_log', record)
    return lines


def make(root: Path, **options) -> VisualQuestions:
    return DATASETS.build(dict(dict(type='VisualQuestions', data_root=str(root)), **options))


@pytest.mark.parametrize('test_mode', [False, True])
def test_items_of_vqa_v2(root: Path, test_mode: bool) -> None:
    items = list(make(root, **VQA, test_mode=test_mode))
    assert [item['question_id'] for item in items] == [9000, 9001, 262144000]
    first = items[0]
    assert (first['img_path'], first['text']) == (str(root / IMAGES[0]), ['How many boxes?'])
    assert (first['gt_answer'], first['gt_answer_weight']) == (['4', '5', 'four'], [0.7, 0.2, 0.1])
    assert (len(first['gt_human_answers']), first['question_type']) == (10, 'number')
    assert len({item['image_id'] for item in items}) == 2
    assert len({item['text_ids'][0] for item in items}) == 3
    assert all(0 <= item['text_ids'][0] < 2**53 for item in items)


def test_items_without_ids(root: Path) -> None:
    items = list(make(root, **DAQUAR_OPTIONS))
    assert len({item['question_id'] for item in items}) == len({item['text_ids'][0] for item in items}) == 3
    assert items[0]['image_id'] == items[1]['image_id'] != items[2]['image_id']
    assert [item['question_id'] for item in make(root, **DAQUAR_OPTIONS)] == [item['question_id'] for item in items]
    assert 'question_type' not in items[0]


def test_several_files_and_folders(root: Path) -> None:
    folders = ['train2014', 'VG_100K', 'VG_100K_2']
    items = list(make(root, **dict(VQA, ann_file=['vg.json', 'questions.json'], data_prefix=dict(img_path=folders))))
    assert [Path(item['img_path']).relative_to(root).as_posix() for item in items] == [
        IMAGES[n] for n in (2, 2, 0, 0, 1)
    ]
    assert [item['gt_answer'][0] for item in items[:3]] == ['green', 'about 6 ft', '4']
    items = list(make(root, ann_file='albef.json', data_prefix=dict(img_path=['', 'VG_100K'])))
    assert [item['img_path'] for item in items] == [str(root / IMAGES[0]), str(root / IMAGES[4])]
    with pytest.raises(ValueError, match='2 answer_file for 1 files of VQAv2 questions'):
        make(root, **dict(VQA, ann_file=['vg.json', 'questions.json'], answer_file=['annotations.json'] * 2))


def test_ids_agree_between_joined_datasets(root: Path) -> None:
    joined = ConcatDataset([make(root, **VQA), make(root, **VQA, indices=1)])
    assert joined[0]['text_ids'] == joined[3]['text_ids']


def test_a_split_without_answers_is_for_tests(root: Path) -> None:
    items = list(make(root, **dict(VQA, answer_file=''), test_mode=True))
    assert items[0]['gt_answer'] == items[0]['gt_answer_weight'] == items[0]['gt_human_answers'] == []
    with pytest.raises(ValueError, match=r'none of the 3 questions has an answer.*answer_file.*test_mode=True'):
        make(root, **dict(VQA, answer_file=''))


def test_single_questions_without_answers_are_left_out(root: Path, monkeypatch) -> None:
    reported = []
    monkeypatch.setattr(reports, 'print_log', lambda line, logger, level: reported.append((level, line)))
    write(root / 'albef.json', [*ALBEF[:2], dict(ALBEF[0], answer=[' '], question_id=5)])
    options = dict(ann_file='albef.json', data_prefix=dict(img_path=''))
    assert len(make(root, **options)) == 2
    (level, line), *others = reported
    assert (level, others) == (logging.WARNING, [])
    assert '3 questions, 2 images read; skipped, questions without an answer: 1 (question_id 5)' in line
    assert len(make(root, **options, test_mode=True)) == 3


def test_a_test_needs_different_ids(root: Path) -> None:
    write(root / 'albef.json', [ALBEF[0], dict(ALBEF[0])])
    options = dict(ann_file='albef.json', data_prefix=dict(img_path=''))
    assert len(make(root, **options)) == 2
    with pytest.raises(ValueError, match=r'question_id 9001 occurs 2 times'):
        make(root, **options, test_mode=True)


def test_answer_list(root: Path, log: list) -> None:
    write(root / 'answers.json', ['yes', 'no', 'table'])
    items = list(make(root, **VQA, answer_list='answers.json'))
    assert log == [(logging.INFO, '66.7 % of 3 questions have an answer in the list of 3')]
    assert [len(item['gt_answer']) for item in items] == [3, 1, 3]  # the list takes no answer away
    make(root, **dict(VQA, answer_file=''), answer_list=['yes'], test_mode=True)
    for bad in ([], ['yes', 1], dict(yes=0)):
        with pytest.raises(ValueError, match=r'bad\.json: expected a list of answers'):
            make(root, **VQA, answer_list=write(root / 'bad.json', bad))
    with pytest.raises(ValueError, match=r"answer_list: an answer list without the answers.* 'Yes', .* '4'"):
        make(root, **VQA, answer_list=['Yes'])


def test_missing_and_broken_images(root: Path, log: list) -> None:
    load = [dict(type='LoadImageFromFile')]
    (root / IMAGES[0]).unlink()
    dataset = make(root, **VQA, pipeline=load)
    assert dataset[0]['question_id'] == 262144000
    assert sum(IMAGES[0] in message for _, message in log) == 2  # when loading, and when replaced
    with pytest.raises(FileNotFoundError, match=IMAGES[0]):
        make(root, **VQA, test_mode=True)
    (root / IMAGES[0]).write_bytes(b'<html>')
    with pytest.raises(BrokenSampleError, match=IMAGES[0]):
        make(root, **VQA, pipeline=load, test_mode=True)[1]
    with pytest.raises(FileNotFoundError, match=r'2 of 2 images are missing.*data_prefix'):
        make(root, **dict(VQA, data_prefix=None))


def test_bad_options(root: Path) -> None:
    with pytest.raises(ValueError, match=r'data_prefix must be dict\(img_path'):
        make(root, **dict(VQA, data_prefix=dict(img='images')))
    with pytest.raises(ValueError, match='at least one folder'):
        make(root, **dict(VQA, data_prefix=dict(img_path=[])))
    with pytest.raises(ValueError, match=r'empty\.json: no questions'):
        make(root, ann_file=write(root / 'empty.json', []))


def test_whole_pipeline(root: Path) -> None:
    tokenizer = dict(type='WordPieceTokenizer', vocab=['how', 'many', 'boxes', 'four', '4', '5'])
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='mmpretrain.CleanCaption', keys='text'),
        dict(type='sacl_mm.TokenizeText', tokenizer=tokenizer),
        dict(type='sacl_mm.TokenizeText', tokenizer=tokenizer, field='gt_answer', to='gt_answer_token_ids'),
        dict(
            type='mmpretrain.PackInputs',
            algorithm_keys=['token_ids', 'image_id', 'text_ids', 'gt_answer_token_ids', 'gt_answer_weight'],
            meta_keys=['img_path', 'text', 'question_id', 'gt_human_answers', 'question_type'],
        ),
    ]
    dataset = make(root, **VQA, pipeline=pipeline)
    packed = [dataset[index] for index in sorted(EpochSampler(dataset, seed=0))]
    sample = packed[0]['data_samples']
    assert packed[0]['inputs'].shape == (3, 8, 6)
    assert sample.text == ['how many boxes']
    assert [len(tokens) for tokens in sample.token_ids] == [5]
    assert [len(tokens) for tokens in sample.gt_answer_token_ids] == [3, 3, 3]
    assert sample.gt_answer_weight == [0.7, 0.2, 0.1]
    assert (sample.question_id, sample.question_type) == (9000, 'number')
    assert sample.gt_human_answers.count('4') == 7
