import json
import os

import pytest
from gloo import run_on_processes
from mmengine.structures import BaseDataElement

from sacl_mm.evaluation import VQAAccuracy
from sacl_mm.registry import METRICS

# answer, human answers, type, accuracy
ROWS = [
    ('red', ['red'] * 10, 'other', 100),
    ('Two', ['two', '2', *['3'] * 8], 'number', 60),
    ('yes', ['yes', *['no'] * 9], 'yes/no', 30),
    ('no', ['yes', *['no'] * 9], 'yes/no', 100),
    ('blue', ['red'] * 10, 'other', 0),
]
MEANS = {'vqa/accuracy': 58, 'vqa/accuracy/number': 60, 'vqa/accuracy/other': 50, 'vqa/accuracy/yes/no': 65}


def sample(number, answer, human_answers=None, question_type=None):
    element = BaseDataElement(metainfo=dict(question_id=1000 + number))
    if human_answers is not None:
        element.set_metainfo(dict(gt_human_answers=human_answers))
    if question_type is not None:
        element.set_metainfo(dict(question_type=question_type))
    element.pred_answer = answer
    return element.to_dict()


def evaluate(metric, samples):
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def judged():
    return [sample(number, *row[:3]) for number, row in enumerate(ROWS)]


@pytest.fixture
def log(monkeypatch):
    messages = []
    monkeypatch.setattr('mmengine.logging.MMLogger.info', lambda self, message: messages.append(message))
    return messages


def test_mean_and_types(log):
    metrics = evaluate(METRICS.build(dict(type='VQAAccuracy')), judged())
    assert metrics == pytest.approx(MEANS)
    (table,) = log
    assert 'answers to 5 of 5 questions judged; protocol: VQA accuracy, leave one annotator out' in table
    lines = [line.split() for line in table.splitlines()[1:]]
    assert lines[0] == ['questions', 'accuracy']
    assert lines[1:] == [
        ['all', '5', '58.00'],
        ['number', '1', '60.00'],
        ['other', '2', '50.00'],
        ['yes/no', '2', '65.00'],
    ]


def test_without_types_there_is_one_number():
    assert evaluate(VQAAccuracy(), [sample(0, 'red', ['red'])]) == {'vqa/accuracy': 100}


def test_exact_measure(log):
    samples = [sample(0, 'bed, lamp', ['lamp, bed']), sample(1, 'lamp', ['lamp, bed']), sample(2, 'the lamp', ['lamp'])]
    assert evaluate(VQAAccuracy(measure='exact'), samples) == {'vqa/accuracy': pytest.approx(100 / 3)}
    assert 'protocol: exact match' in log[0]


def test_test_split_writes_the_servers_file(tmp_path, log):
    path = tmp_path / 'new' / 'folder' / 'results.json'
    samples = [sample(0, 'red'), sample(1, 'the "two"', [])]
    assert evaluate(VQAAccuracy(server_file=str(path)), samples) == {}
    assert json.loads(path.read_text()) == [
        {'question_id': 1000, 'answer': 'red'},
        {'question_id': 1001, 'answer': 'the "two"'},
    ]
    assert log == [f'predictions written to {path}']
    assert os.listdir(path.parent) == ['results.json']


def test_questions_without_human_answers_are_written_but_do_not_count(tmp_path, log):
    path = tmp_path / 'results.json'
    samples = [*judged(), sample(9, 'red')]
    assert evaluate(VQAAccuracy(server_file=str(path)), samples) == pytest.approx(MEANS)
    assert len(json.loads(path.read_text())) == 6
    assert 'answers to 5 of 6 questions judged' in log[1]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / 'results.json'
    path.write_text('old')
    monkeypatch.setattr('os.replace', lambda *_: (_ for _ in ()).throw(OSError('disk')))
    with pytest.raises(OSError, match='disk'):
        evaluate(VQAAccuracy(server_file=str(path)), judged())
    assert path.read_text() == 'old'


def test_bad_input():
    with pytest.raises(ValueError, match='measure must be one of vqa, exact'):
        VQAAccuracy(measure='wups')
    with pytest.raises(ValueError, match='question_id 1003 comes 2 times'):
        evaluate(VQAAccuracy(), [*judged(), sample(3, 'yes', ['yes'])])
    with pytest.raises(ValueError, match='no question has gt_human_answers.*meta_keys.*server_file='):
        evaluate(VQAAccuracy(), [sample(0, 'red')])


def _one_process(rank, folder, padded):
    os.chdir(folder)
    path = os.path.join(folder, 'results.json')
    metric = VQAAccuracy(server_file=path)
    samples = judged()
    # Every second sample, as the sampler gives them; the second process gets the first sample again to be as long.
    mine = [samples[index % len(samples)] for index in range(rank, len(samples) + padded, 2)]
    for one in mine:
        metric.process({}, [one])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('padded', [0, 1])
def test_two_processes_count_each_of_five_questions_once(tmp_path, padded):
    results = run_on_processes(2, _one_process, str(tmp_path), padded)
    assert results == [pytest.approx(MEANS)] * 2
    assert [row['question_id'] for row in json.loads((tmp_path / 'results.json').read_text())] == [*range(1000, 1005)]
