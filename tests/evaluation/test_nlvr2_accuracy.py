import os

import pytest
import torch
from gloo import run_on_processes
from mmengine.structures import BaseDataElement

from sacl_mm.evaluation import NLVR2Accuracy
from sacl_mm.registry import METRICS

# identifier (split-set-pair-sentence), predicted, label. Sentences: (dev-1, 0) has one wrong, (dev-1, 1) and (dev-2, 0)
# are right, (dev-12, 0) is wrong; (dev-1, 2) and (dev-12, 0) must not be taken for one.
ROWS = [
    ('dev-1-0-0', 1, 1),
    ('dev-1-1-0', 1, 0),
    ('dev-1-3-0', 0, 0),
    ('dev-1-0-1', 0, 0),
    ('dev-1-2-1', 1, 1),
    ('dev-2-0-0', 1, 1),
    ('dev-12-0-0', 0, 1),
]
EXPECTED = {'nlvr2/accuracy': 100 * 5 / 7, 'nlvr2/consistency': 100 * 2 / 4}


def sample(identifier, predicted, label):
    element = BaseDataElement(metainfo=dict(identifier=identifier))
    element.pred_label = predicted
    if label is not None:
        element.gt_label = label
    return element.to_dict()


def evaluate(metric, rows):
    metric.process({}, [sample(*row) for row in rows])
    return metric.evaluate(len(rows))


def test_accuracy_and_consistency(monkeypatch):
    messages = []
    monkeypatch.setattr('mmengine.logging.MMLogger.info', lambda self, message: messages.append(message))
    assert evaluate(METRICS.build(dict(type='NLVR2Accuracy')), ROWS) == pytest.approx(EXPECTED)
    assert '7 examples of 4 sentences' in messages[0]
    assert messages[0].split()[-2:] == ['71.43', '50.00']


def test_labels_may_be_tensors():
    rows = [(name, torch.tensor([predicted]), torch.tensor(label)) for name, predicted, label in ROWS]
    assert evaluate(NLVR2Accuracy(), rows) == pytest.approx(EXPECTED)


def test_prediction_file_is_what_the_official_script_reads(tmp_path):
    path = tmp_path / 'new' / 'predictions.csv'
    evaluate(NLVR2Accuracy(prediction_file=str(path)), ROWS)
    predictions = dict(line.split(',') for line in path.read_text().splitlines())
    assert predictions == {name: str(bool(predicted)) for name, predicted, _ in ROWS}


def test_bad_input():
    for label in (None, -1):
        with pytest.raises(ValueError, match='test1-7-0-1 has no label'):
            evaluate(NLVR2Accuracy(), [*ROWS, ('test1-7-0-1', 1, label)])
    with pytest.raises(ValueError, match='dev-1-0-0 comes 2 times'):
        evaluate(NLVR2Accuracy(), [*ROWS, ROWS[0]])
    with pytest.raises(ValueError, match="'mine,1' cannot be written to prediction_file"):
        evaluate(NLVR2Accuracy(prediction_file='predictions.csv'), [('mine,1', 1, 1)])


def test_identifiers_of_another_form_are_of_one_sentence_where_their_text_is():
    rows = [sample(f'mine_{number}', predicted, 1) for number, predicted in enumerate((1, 0, 1))]
    assert evaluate_samples(rows) == {'nlvr2/accuracy': pytest.approx(200 / 3)}
    for row, text in zip(rows, ('a dog', 'a dog', 'a cat'), strict=True):
        row['text'] = [text]
    assert evaluate_samples(rows) == {'nlvr2/accuracy': pytest.approx(200 / 3), 'nlvr2/consistency': 50}


def evaluate_samples(rows):
    metric = NLVR2Accuracy()
    metric.process({}, rows)
    return metric.evaluate(len(rows))


def test_own_identifiers_are_grouped_by_their_text():
    texts = ['a dog', 'a dog', 'a cat', 'a bird']
    rows = [('mine_0', 1, 1), ('mine_1', 0, 1), ('mine_2', 1, 1), ('dev-1-0-0', 1, 1)]
    metric = NLVR2Accuracy()
    metric.process({}, [dict(sample(*row), text=[text]) for row, text in zip(rows, texts, strict=True)])
    assert metric.evaluate(4) == pytest.approx({'nlvr2/accuracy': 75, 'nlvr2/consistency': 100 * 2 / 3})


def test_consistency_is_left_out_with_a_line_where_sentences_cannot_be_told(monkeypatch):
    messages = []
    monkeypatch.setattr('mmengine.logging.MMLogger.info', lambda self, message: messages.append(message))
    assert evaluate(NLVR2Accuracy(), [('mine_0', 1, 1), ('dev-1-0', 1, 0), *ROWS[:2]]) == {'nlvr2/accuracy': 50}
    assert 'consistency needs identifiers split-set-pair-sentence, or `text`' in messages[0]


def _one_process(rank, folder):
    os.chdir(folder)
    metric = NLVR2Accuracy()
    for index in range(rank, len(ROWS) + 1, 2):
        metric.process({}, [sample(*ROWS[index % len(ROWS)])])
    return metric.evaluate(len(ROWS))


def test_two_processes_count_each_of_seven_examples_once(tmp_path):
    assert run_on_processes(2, _one_process, str(tmp_path)) == [pytest.approx(EXPECTED)] * 2
