"""Readers of question files."""

import copy
from pathlib import Path

import pytest
from question_examples import ALBEF, ASKED, DAQUAR, VISUAL_GENOME, vqa_v2_annotations, vqa_v2_questions, write

from sacl_mm.datasets.question_files import question_format, read_albef, read_daquar, read_visual_genome, read_vqa_v2


def test_vqa_v2(tmp_path: Path) -> None:
    files = write(tmp_path / 'q.json', vqa_v2_questions()), write(tmp_path / 'a.json', vqa_v2_annotations())
    questions = read_vqa_v2(*files)
    assert [question['question_id'] for question in questions] == [9000, 9001, 262144000]
    assert questions[0] == dict(
        image='COCO_train2014_000000000009.jpg',
        question='How many boxes?',
        question_id=9000,
        question_type='number',
        gt_answer=['4', '5', 'four'],
        gt_answer_weight=[0.7, 0.2, 0.1],
        gt_human_answers=ASKED[0][-1],
    )
    assert questions[2]['question'] == 'Where is he looking?'
    assert questions[2]['gt_answer'] == ['down', 'at table', 'table']  # an empty answer is not trained on
    assert questions[2]['gt_answer_weight'] == [0.2, 0.1, 0.6]
    assert len(questions[2]['gt_human_answers']) == 10


@pytest.mark.parametrize(
    ('split', 'images'),
    [('val2014', 'val2014'), ('test2015', 'test2015'), ('test-dev2015', 'test2015'), ('test-standard2015', 'test2015')],
)
def test_vqa_v2_without_answers(split: str, images: str, tmp_path: Path) -> None:
    first = read_vqa_v2(write(tmp_path / 'q.json', vqa_v2_questions(split)))[0]
    assert first['image'] == f'COCO_{images}_000000000009.jpg'
    assert first['gt_answer'] == first['gt_answer_weight'] == first['gt_human_answers'] == []
    assert 'question_type' not in first


def test_vqa_v2_questions_and_annotations_must_match(tmp_path: Path) -> None:
    def read(questions: dict, annotations: dict) -> None:
        read_vqa_v2(write(tmp_path / 'q.json', questions), write(tmp_path / 'a.json', annotations))

    fewer = vqa_v2_annotations()
    fewer['annotations'].pop(1)
    with pytest.raises(
        ValueError, match=r'q\.json: 1 of 3 questions have no annotation in .*a\.json.*question_id 9001'
    ):
        read(vqa_v2_questions(), fewer)
    unasked = vqa_v2_questions()
    unasked['questions'].pop(0)
    with pytest.raises(ValueError, match=r'a\.json: question_id 9000 is annotated, but is not in .*q\.json'):
        read(unasked, vqa_v2_annotations())
    twice = vqa_v2_annotations()
    twice['annotations'].append(twice['annotations'][0])
    with pytest.raises(ValueError, match=r'a\.json: annotation 3: question_id 9000 occurs twice'):
        read(vqa_v2_questions(), twice)
    twice = vqa_v2_questions()
    twice['questions'].append(twice['questions'][2])
    with pytest.raises(ValueError, match=r'q\.json: question 3: question_id 262144000 occurs twice'):
        read(twice, vqa_v2_annotations())
    other = vqa_v2_annotations()
    other['annotations'][1]['image_id'] = 10
    with pytest.raises(ValueError, match=r'question_id 9001 is about image_id 10, but .*000000000009\.jpg'):
        read(vqa_v2_questions(), other)


def test_visual_genome(tmp_path: Path) -> None:
    questions = read_visual_genome(write(tmp_path / 'question_answers.json', VISUAL_GENOME))
    assert questions[0] == dict(
        image='1.jpg',
        question='What color is the clock?',
        question_id=986768,
        gt_answer=['green'],
        gt_answer_weight=[0.5],
        gt_human_answers=['green'],
    )
    assert questions[1]['gt_answer'] == ['about 6 ft']


def test_albef(tmp_path: Path) -> None:
    vqa, vg, test = read_albef(write(tmp_path / 'vqa_train.json', ALBEF))
    assert (vqa['gt_answer'], vqa['gt_answer_weight']) == (['yes', 'no'], [0.9, 0.1])
    assert len(vqa['gt_human_answers']) == 10
    assert (vg['image'], vg['gt_answer'], vg['gt_answer_weight']) == ('image/1.jpg', ['two'], [0.5])
    assert (test['question_id'], test['gt_answer'], test['gt_human_answers']) == (1000, [], [])


def test_daquar(tmp_path: Path) -> None:
    questions = read_daquar(write(tmp_path / 'train.json', DAQUAR))
    assert questions[0] == dict(
        image='image3.jpg',
        question='what is on the desk ?',
        gt_answer=['book, scissor'],
        gt_answer_weight=[1.0],
        gt_human_answers=['book, scissor'],
    )
    assert questions[2]['gt_answer'] == ['tape_dispenser']


def test_format_is_told_by_the_beginning(tmp_path: Path) -> None:
    contents = dict(vqa_v2=vqa_v2_questions(), visual_genome=VISUAL_GENOME, albef=ALBEF, daquar=DAQUAR)
    for name, content in contents.items():
        assert question_format(write(tmp_path / 'q.json', content)) == name
    assert question_format(write(tmp_path / 'q.json', DAQUAR), 'albef') == 'albef'
    (tmp_path / 'q.json').write_text('question,answer\n')
    with pytest.raises(ValueError, match="cannot tell the format from its beginning 'question,answer"):
        question_format(str(tmp_path / 'q.json'))
    with pytest.raises(ValueError, match="unknown format 'coco' of question files; known: auto, vqa_v2"):
        question_format(str(tmp_path / 'q.json'), 'coco')
    with pytest.raises(FileNotFoundError, match=r'no\.json does not exist'):
        question_format(str(tmp_path / 'no.json'))


def changed(content: object, *place: object, value: object = None, drop: bool = False) -> object:
    content = copy.deepcopy(content)
    part = content
    for key in place[:-1]:
        part = part[key]
    if drop:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return content


@pytest.mark.parametrize(
    ('reader', 'content', 'message'),
    [
        (read_vqa_v2, vqa_v2_annotations(), 'expected VQAv2 questions.*answer_file'),
        (
            read_vqa_v2,
            changed(vqa_v2_questions(), 'questions', 1, 'question_id', drop=True),
            "question 1: .*'question_id'",
        ),
        (read_vqa_v2, changed(vqa_v2_questions(), 'questions', 2, 'image_id', value='9'), 'question 2: .*integers'),
        (read_visual_genome, changed(VISUAL_GENOME, 0, 'qas', 1, 'answer', drop=True), "image 0: .*'answer'"),
        (read_visual_genome, vqa_v2_questions(), 'expected a list of objects'),
        (read_albef, changed(ALBEF, 1, 'image', value=1), "entry 1: expected 'image'"),
        (read_albef, changed(ALBEF, 0, 'answer', 3, value=7), 'entry 0: .*list of texts'),
        (read_albef, changed(ALBEF, 0, 'question_id', value='9001'), 'entry 0: .*integer'),
        (read_daquar, changed(DAQUAR, 2, 'answers', value=[]), 'entry 2: .*no answers'),
        (read_daquar, changed(DAQUAR, 2, 'answers', value='chair'), "entry 2: .*'answers', a list of texts"),
        (read_daquar, ['what is red ?'], 'entry 0: '),
    ],
)
def test_errors_name_the_file_and_the_entry(reader, content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'bad\.json: ' + message):
        reader(write(tmp_path / 'bad.json', content))


def test_wrong_annotations(tmp_path: Path) -> None:
    questions = write(tmp_path / 'q.json', vqa_v2_questions())
    with pytest.raises(ValueError, match=r'q\.json: expected VQAv2 annotations'):
        read_vqa_v2(questions, questions)
    bad = changed(vqa_v2_annotations(), 'annotations', 1, 'answers', 0, value='yes')
    with pytest.raises(ValueError, match=r"a\.json: annotation 1: expected .*'answers'"):
        read_vqa_v2(questions, write(tmp_path / 'a.json', bad))
    (tmp_path / 'a.json').write_text('{"annotations": [')
    with pytest.raises(ValueError, match=r'a\.json: not valid JSON'):
        read_vqa_v2(questions, str(tmp_path / 'a.json'))
