"""Rows of the table of cases on measures: what cannot be measured is told in a line, and before a training."""

import copy

import pytest
import torch
from measure_samples import OF_FEATURES, QUESTIONS, evaluate, judgements, one_line, retrieval_samples
from mmengine.structures import BaseDataElement
from tiny import PIPELINE, world
from torch.utils.data import Dataset

from sacl_mm.datasets import ShapeWorldPairs, ShapeWorldQuestions
from sacl_mm.evaluation import (
    CaptionConsensus,
    CellAttributeAccuracy,
    NLVR2Accuracy,
    RankingMetric,
    RetrievalMetric,
    VQAAccuracy,
    check_dataset,
)
from sacl_mm.user_error import EvaluationError


def without(key):
    return lambda samples: samples[1].pop(key)


def with_(number=1, **values):
    return lambda samples: samples[number].update(values)


UNFIT = {
    'RetrievalMetric, fewer text ids than features': (
        RetrievalMetric,
        with_(text_ids=[10]),
        'image 101 has 1 texts and features of 2',
    ),
    'RetrievalMetric, more text ids than features': (
        RetrievalMetric,
        with_(text_ids=[1, 2, 3]),
        'image 101 has 3 texts and',
    ),
    'RetrievalMetric, no text': (
        RetrievalMetric,
        with_(text_ids=[], pred_text_features=torch.zeros(0, 6)),
        'image 101 has no text',
    ),
    'RetrievalMetric, an image twice': (RetrievalMetric, with_(image_id=100), 'image 100 comes twice'),
    'RetrievalMetric, no image_id': (
        RetrievalMetric,
        without('image_id'),
        'RetrievalMetric needs `image_id` of every sample',
    ),
    'RetrievalMetric, no text_ids': (RetrievalMetric, without('text_ids'), 'needs `text_ids`'),
    'RetrievalMetric, no image_feature': (
        RetrievalMetric,
        without('pred_image_feature'),
        'needs `pred_image_feature`, which this model does',
    ),
    'RetrievalMetric, no text_features': (
        RetrievalMetric,
        without('pred_text_features'),
        'needs `pred_text_features`, which this model',
    ),
    'CaptionConsensus, no text': (CaptionConsensus, without('text'), 'captions as `text`'),
    'CaptionConsensus, empty text': (CaptionConsensus, with_(text=[]), 'captions as `text`'),
    'CaptionConsensus, text of numbers': (CaptionConsensus, with_(text=[1, 2]), 'captions as `text`'),
    'CaptionConsensus, fewer captions than features': (
        CaptionConsensus,
        with_(text=['a dog']),
        'has 1 texts and features of 2',
    ),
    'CaptionConsensus, no image_feature': (
        CaptionConsensus,
        without('pred_image_feature'),
        'needs `pred_image_feature`',
    ),
    'RetrievalMetric, texts of another width': (
        RetrievalMetric,
        with_(pred_text_features=torch.zeros(2, 5)),
        r'and \(2, 5\)',
    ),
    'RetrievalMetric, one text without a row': (
        RetrievalMetric,
        with_(pred_text_features=torch.zeros(6)),
        r'\(k, E\), got',
    ),
    'CaptionConsensus, an image with a row': (
        CaptionConsensus,
        with_(pred_image_feature=torch.zeros(1, 6)),
        r'got \(1, 6\)',
    ),
}


@pytest.mark.parametrize(('kind', 'spoil', 'message'), UNFIT.values(), ids=UNFIT)
def test_samples_that_do_not_fit(kind, spoil, message):
    samples = retrieval_samples()
    spoil(samples)
    one_line(lambda: evaluate(kind(), samples), message, EvaluationError)


@OF_FEATURES
@pytest.mark.parametrize('count', [0, 1])
def test_a_set_that_is_too_small(metric, count, tmp_path):
    one_line(
        lambda: metric(tmp_path).compute_metrics([]) if not count else evaluate(metric(tmp_path), retrieval_samples(1)),
        f'a set of at least 2 samples, this one has {count}',
        EvaluationError,
    )


@pytest.mark.parametrize(
    'metric',
    [VQAAccuracy(), NLVR2Accuracy(), RankingMetric(), CellAttributeAccuracy(['shape'])],
    ids=lambda metric: type(metric).__name__,
)
def test_an_empty_set(metric):
    one_line(lambda: metric.compute_metrics([]), 'at least (1 samples|one sample)', EvaluationError)


OTHER = {
    'a label beyond the scores': (RankingMetric(), dict(pred_score=torch.rand(3), gt_label=3), 'whole numbers below 3'),
    'a label of -1': (RankingMetric(), dict(pred_score=torch.rand(3), gt_label=-1), 'whole numbers below 3'),
    'a label that is no whole number': (RankingMetric(), dict(pred_score=torch.rand(3), gt_label=0.5), 'whole numbers'),
    'no scores': (RankingMetric(), dict(gt_label=1), 'RankingMetric needs `pred_score`'),
    'no label to rank': (RankingMetric(), dict(pred_score=torch.rand(3)), 'RankingMetric needs `gt_label`'),
    'no question_id': (VQAAccuracy(), dict(pred_answer='yes', gt_human_answers=['yes']), 'VQAAccuracy needs `question_id`'),
    'no answer': (VQAAccuracy(), dict(question_id=1, gt_human_answers=['yes']), 'needs `pred_answer`, which this model'),
    'no human answers': (VQAAccuracy(), dict(question_id=1, pred_answer='yes'), 'no question has gt_human_answers'),
    'no identifier': (NLVR2Accuracy(), dict(pred_label=1, gt_label=1), 'NLVR2Accuracy needs `identifier`'),
    'no label of a statement': (NLVR2Accuracy(), dict(identifier='a', pred_label=1, gt_label=None), 'a has no label'),
    'a label of 2': (NLVR2Accuracy(), dict(identifier='a', pred_label=1, gt_label=2), 'a has no label'),
    'no predicted label': (NLVR2Accuracy(), dict(identifier='a', gt_label=1), 'needs `pred_label`, which this model'),
    'an identifier with a comma': (NLVR2Accuracy('p.csv'), dict(identifier='a,b', pred_label=1, gt_label=1), 'be written'),
    'an identifier of two lines': (NLVR2Accuracy('p.csv'), dict(identifier='a\nb', pred_label=1, gt_label=1), 'cannot be'),
    'no labels of cells': (CellAttributeAccuracy(['shape']), dict(pred_cell_labels=torch.zeros(4, 1)), '`gt_cell_labels`'),
    'cells of other attributes': (
        CellAttributeAccuracy(['shape', 'size']),
        dict(gt_cell_labels=torch.zeros(4, 1), pred_cell_labels=torch.zeros(4, 1)),
        r'gt_cell_labels must be \(cells, 2\), got \(4, 1\)',
    ),
    'predictions of other cells': (
        CellAttributeAccuracy(['shape']),
        dict(gt_cell_labels=torch.zeros(4, 1), pred_cell_labels=torch.zeros(9, 1)),
        r'pred_cell_labels is \(9, 1\), gt_cell_labels \(4, 1\)',
    ),
    'no labelled cell': (
        CellAttributeAccuracy(['shape']),
        dict(gt_cell_labels=-torch.ones(4, 1), pred_cell_labels=torch.zeros(4, 1)),
        'no cell of the set has a label of shape',
    ),
}  # fmt: skip


@pytest.mark.parametrize(('metric', 'sample', 'message'), OTHER.values(), ids=OTHER)
def test_a_sample_that_cannot_be_measured(metric, sample, message):
    one_line(lambda: evaluate(copy.deepcopy(metric), [sample]), message, EvaluationError)


# ------------------------------------------------------------------------------------------------ told before a training
def packed(meta=(), tokenizer=PIPELINE[0]['tokenizer']):
    return [
        dict(PIPELINE[0], tokenizer=tokenizer),
        dict(type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=list(meta)),
    ]


def questions(kind=ShapeWorldQuestions, meta=('question_id', 'gt_human_answers')):
    return kind(4, 32, 2, pipeline=packed(meta=meta, tokenizer=QUESTIONS), test_mode=True)


def pairs(meta=('identifier',)):
    return ShapeWorldPairs(2, 32, pipeline=packed(meta, QUESTIONS), test_mode=True)


class Changed(ShapeWorldPairs):
    """Whose annotations were changed by hand."""

    def __init__(self, change):
        self.change = change
        super().__init__(2, 32, pipeline=packed(('identifier',), QUESTIONS), test_mode=True)

    def load_data_list(self):
        entries = super().load_data_list()
        for number, entry in enumerate(entries):
            self.change(number, entry)
        return entries


class ChangedQuestions(ShapeWorldQuestions):
    def load_data_list(self):
        return [self.changed(number, entry) for number, entry in enumerate(super().load_data_list())]


class WithoutAnswers(ChangedQuestions):
    def changed(self, number, entry):
        return dict(entry, gt_human_answers=[])


class TheSameQuestion(ChangedQuestions):
    def changed(self, number, entry):
        return dict(entry, question_id=5)


def without_label(number, entry):
    if number == 3:
        entry['gt_label'] = -1


def same_identifier(number, entry):
    entry['identifier'] = 'mine'


class Features(Dataset):
    """Of the shape of `CachedFeatures`."""

    def __init__(self, count, **values):
        self.count, self.values = count, dict(image_id=1, text_ids=[1], text=['a dog']) | values

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        return dict(inputs=torch.zeros(3), data_samples=BaseDataElement(**self.values))


IMPOSSIBLE = {
    'answers not packed': (VQAAccuracy(), questions(meta=['question_id']), 'the pipeline does not'),
    'question_id that PackInputs does not name': (VQAAccuracy(), questions(meta=['gt_human_answers']), 'needs `question_id`'),
    'answers missing': (VQAAccuracy(), questions(WithoutAnswers), 'no question has gt_human_answers'),
    'a question_id for all': (VQAAccuracy(), questions(TheSameQuestion), 'question_id 5 comes 8 times'),
    'identifiers that PackInputs does not name': (NLVR2Accuracy(), pairs(meta=[]), 'needs `identifier`'),
    'no labels': (NLVR2Accuracy(), Changed(lambda number, entry: entry.pop('gt_label')), 'world-0-0-0 has no label'),
    'one label missing': (NLVR2Accuracy(), Changed(without_label), 'world-0-3-0 has no label'),
    'one identifier for all': (NLVR2Accuracy(), Changed(same_identifier), 'mine comes 8 times'),
    'one image': (RetrievalMetric(), world(1, test_mode=True), 'at least 2 samples, this one has 1'),
    'one image for consensus': (CaptionConsensus(), world(1, test_mode=True), 'at least 2 samples, this one has 1'),
    'text that PackInputs does not name': (CaptionConsensus(), questions(meta=[]), 'captions as `text`'),
    'an image twice': (RetrievalMetric(), questions(), r'image \d+ comes twice'),
    'no attributes of cells': (CellAttributeAccuracy(['shape']), world(2), 'needs `gt_cell_labels`'),
    'features of one image': (RetrievalMetric(), Features(1), 'at least 2 samples, this one has 1'),
    'features without text': (CaptionConsensus(), Features(3, text=[]), 'captions as `text`'),
    'an empty data set': (RetrievalMetric(), Features(0), 'at least 2 samples, this one has 0'),
}  # fmt: skip


@pytest.mark.parametrize(('metric', 'dataset', 'message'), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_metric_that_cannot_be_computed_is_told_from_the_data_set(metric, dataset, message):
    one_line(lambda: check_dataset(metric, dataset), message, EvaluationError)


def test_judgements_of_other_images_are_told_from_the_data_set(tmp_path):
    one_line(lambda: judgements(tmp_path).check_set([dict(name='a.jpg'), dict(name='b.jpg')]), 'none of the 3 pairs')


@pytest.mark.parametrize(
    ('metric', 'dataset'),
    [
        (VQAAccuracy(), questions()),
        (VQAAccuracy(server_file='answers.json'), questions(WithoutAnswers)),
        (NLVR2Accuracy(), pairs()),
        (NLVR2Accuracy(), Changed(lambda number, entry: entry.update(identifier=f'mine_{number}'))),
        (RetrievalMetric(), world(3, test_mode=True)),
        (CaptionConsensus(), world(3, test_mode=True)),
        (RetrievalMetric(), Features(3)),
        (RankingMetric(), Features(0)),
    ],
)
def test_a_metric_that_can_be_computed_passes(metric, dataset):
    check_dataset(metric, dataset)
