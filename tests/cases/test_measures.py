"""Rows of the table of cases on measures: what is not finite is never ranked, and what cannot be measured is told early."""

import copy
import math

import pytest
import torch
from mmengine.structures import BaseDataElement
from tiny import PIPELINE, TOWERS, VOCAB, batch, build, model_config, world
from torch.utils.data import Dataset

from sacl_mm.datasets import ShapeWorldPairs, ShapeWorldQuestions
from sacl_mm.engine.reranking_loop import _Candidates, _Entry
from sacl_mm.evaluation import (
    CaptionConsensus,
    CellAttributeAccuracy,
    Flickr8kHumanJudgement,
    NLVR2Accuracy,
    RankingMetric,
    RetrievalMetric,
    VQAAccuracy,
    check_dataset,
)
from sacl_mm.functional.finite import check_finite
from sacl_mm.functional.ranking import best_ranks, cumulative_gain, graded_measures, recall_at, reranked, top_candidates
from sacl_mm.registry import MODELS
from sacl_mm.user_error import EvaluationError, NonFiniteError, UserError

NAN, INF = math.nan, math.inf
NOT_FINITE = pytest.mark.parametrize('value', [NAN, INF, -INF], ids=['NaN', 'infinity', 'minus infinity'])


def retrieval_samples(images=4, texts=2):
    """Each image's texts have its feature, so that any right measure is perfect."""
    features = torch.eye(images, 6)
    return [
        dict(
            image_id=100 + i,
            text_ids=[10 * i + k for k in range(texts)],
            text=[f'a dog number {i}', f'dog {i} on the grass'][:texts],
            img_path=f'folder/{i}.jpg',
            image_feature=features[i].clone(),
            text_features=features[i].repeat(texts, 1),
        )
        for i in range(images)
    ]


def judgements(tmp_path):
    path = tmp_path / 'ExpertAnnotations.txt'
    path.write_text('0.jpg\t1.jpg#0\t1\t1\t2\n1.jpg\t2.jpg#1\t4\t4\t3\n2.jpg\t3.jpg#0\t2\t1\t1\n')
    return Flickr8kHumanJudgement(expert_file=str(path))


METRICS_OF_FEATURES = {
    'RetrievalMetric': lambda path: RetrievalMetric(),
    'CaptionConsensus': lambda path: CaptionConsensus(),
    'Flickr8kHumanJudgement': judgements,
}
OF_FEATURES = pytest.mark.parametrize('metric', METRICS_OF_FEATURES.values(), ids=METRICS_OF_FEATURES)


def evaluate(metric, samples):
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def one_line(call, message, kind=UserError):
    with pytest.raises(kind, match=message) as caught:
        call()
    assert '\n' not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------ not finite
@OF_FEATURES
@NOT_FINITE
@pytest.mark.parametrize('side', ['image_feature', 'text_features'])
def test_features_that_are_not_finite_are_refused(metric, value, side, tmp_path):
    samples = retrieval_samples()
    for number in (1, 3):
        samples[number][side].view(-1)[2] = value
    message = one_line(lambda: evaluate(metric(tmp_path), samples), r'2 of \d not finite', NonFiniteError)
    assert 'diverged' in message


@OF_FEATURES
def test_a_model_whose_features_are_nan_has_no_measure(metric, tmp_path):
    samples = retrieval_samples()
    for sample in samples:
        sample['image_feature'] *= NAN
        sample['text_features'] *= NAN
    one_line(lambda: evaluate(metric(tmp_path), samples), '4 of 4 not finite', NonFiniteError)


@OF_FEATURES
def test_the_same_samples_without_nan_have_a_measure(metric, tmp_path):
    assert evaluate(metric(tmp_path), retrieval_samples())


@pytest.mark.parametrize(('number', 'names'), [(1, '101'), (3, '103')])
def test_which_images_are_not_finite_is_named(number, names):
    samples = retrieval_samples()
    samples[number]['image_feature'][0] = NAN
    one_line(
        lambda: evaluate(RetrievalMetric(), samples), f'image features of image_id: 1 of 4 not finite .*: {names}\\.'
    )


@NOT_FINITE
def test_re_ranking_scores_that_are_not_finite_are_refused_by_the_metric(value):
    samples = retrieval_samples()
    for sample in samples:
        ids = torch.tensor(sample['text_ids'])
        yes = torch.ones(len(ids), dtype=torch.bool)
        sample['reranking'] = dict(text_ids=ids, scores=torch.ones(2), by_image=yes, by_text=yes, k=2, score='ITM')
    assert evaluate(RetrievalMetric(), samples)
    samples[2]['reranking']['scores'][1] = value
    one_line(lambda: evaluate(RetrievalMetric(), samples), 'matching scores of image 102 .*: 21', NonFiniteError)


@NOT_FINITE
@pytest.mark.parametrize('side', ['image', 'texts'])
def test_candidates_are_not_chosen_by_features_that_are_not_finite(value, side):
    entries = [_Entry([2 * i, 2 * i + 1], [], torch.ones(3), torch.ones(2, 3)) for i in range(3)]
    getattr(entries[1], side).view(-1)[0] = value
    one_line(lambda: _Candidates(entries, 2), '1 of ', NonFiniteError)


def test_candidates_are_chosen_by_cosine():
    entries = [_Entry([i], [], scale * torch.eye(2)[i], torch.eye(2)[i][None]) for i, scale in enumerate((9.0, 0.1))]
    torch.testing.assert_close(_Candidates(entries, 1).cosine_NT, torch.eye(2))


@NOT_FINITE
def test_a_ranking_of_scores_that_are_not_finite_is_refused(value):
    sample = dict(pred_score=torch.tensor([0.1, value, 0.3]), gt_label=1)
    one_line(lambda: evaluate(RankingMetric(), [sample]), 'pred_score of sample 0', NonFiniteError)


@NOT_FINITE
def test_an_answer_with_a_likelihood_that_is_not_finite_is_refused(value):
    sample = dict(question_id=7, pred_answer='yes', pred_score=value, human_answers=['yes'])
    one_line(lambda: evaluate(VQAAccuracy(), [sample]), 'pred_score of question_id 7 is', NonFiniteError)


@NOT_FINITE
def test_a_statement_with_scores_that_are_not_finite_is_refused(value):
    sample = dict(identifier='dev-1-0-0', pred_label=1, label=1, pred_scores=torch.tensor([value, 0.5]))
    one_line(lambda: evaluate(NLVR2Accuracy(), [sample]), 'pred_scores of dev-1-0-0', NonFiniteError)


def test_attributes_that_are_nan_are_refused():
    sample = dict(cell_labels=torch.zeros(4, 1), pred_label=torch.tensor([[NAN]] * 4))
    one_line(lambda: evaluate(CellAttributeAccuracy(['shape']), [sample]), 'pred_label of cells', NonFiniteError)


@NOT_FINITE
@pytest.mark.parametrize(
    'measure',
    [
        lambda scores, own: best_ranks(scores, own),
        lambda scores, own: top_candidates(scores, 2),
        lambda scores, own: reranked(scores, own, torch.zeros_like(scores)),
        lambda scores, own: reranked(torch.zeros_like(scores), own, scores),
        lambda scores, own: graded_measures(scores, own, own),
        lambda scores, own: cumulative_gain(scores, own.float(), torch.ones_like(own), (1, 2)),
        lambda scores, own: cumulative_gain(torch.zeros_like(scores), scores, torch.ones_like(own), (1,)),
    ],
    ids=['best_ranks', 'top_candidates', 'reranked', 'reranked, second', 'graded', 'gain', 'gain, worth'],
)
def test_nan_never_ranks_first(measure, value):
    scores, own = torch.zeros(3, 4), torch.eye(3, 4, dtype=torch.bool)
    measure(scores, own)
    scores[1, 1] = value
    one_line(lambda: measure(scores, own), '1 of 3 not finite', NonFiniteError)


def test_many_rows_are_counted_and_some_named():
    values = torch.zeros(20, 3)
    values[::2, 1] = NAN
    check_finite(torch.zeros(0, 3), 'nothing')
    check_finite(torch.zeros(3, dtype=torch.long), 'numbers')
    one_line(lambda: check_finite(values, 'x'), r'x: 10 of 20 not finite \(NaN or infinity\): 0, 2, 4, 6, 8, \.\.\.\.')
    one_line(lambda: check_finite(torch.tensor(NAN), 'x'), '1 of 1 not finite')
    one_line(lambda: check_finite(values, 'x', [f'\x1b{i}' for i in range(20)]), r'\\x1b0, \\x1b2')


# ------------------------------------------------------------------------------------------------ models' predictions
QUESTIONS = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))


def diverged(model):
    with torch.no_grad():
        next(model.fusion.parameters()).fill_(NAN)
    return model.eval()


def test_answers_are_not_ranked_by_nan():
    model = MODELS.build(
        dict(
            type='VisualQuestionAnswering',
            data_preprocessor=dict(type='ImageTextPreprocessor', vocab_size=VOCAB),
            towers=dict(TOWERS, embed_dims=None),
            fusion=model_config()['fusion'],
            answer_decoder=dict(type='AnswerDecoder', vocab_size=200, width=32, num_layers=1, num_heads=2),
            answers=['yes', 'no', 'red'],
            tokenizer=QUESTIONS,
        )
    ).eval()
    data = batch(model, 2)
    assert model.predict(data)[0].pred_answer in ('yes', 'no', 'red')
    one_line(lambda: diverged(model).predict(data), "answers' log-likelihoods.* 2 of 2 not finite", NonFiniteError)


@pytest.mark.parametrize('kind', ['ImagePairReasoning', 'TextAssignment'])
def test_statements_are_not_judged_by_nan(kind):
    fusion = dict(type='PairedFusionEncoder', width=32, image_width=32, num_layers=1, num_heads=2)
    config = dict(type=kind, data_preprocessor=dict(type='ImageTextPreprocessor', vocab_size=VOCAB), fusion=fusion)
    model = MODELS.build(config | dict(towers=dict(TOWERS, embed_dims=None))).eval()
    data = batch(model, 4)
    if kind == 'ImagePairReasoning':
        data['images'] = data['images'].repeat(2, 1, 1, 1)
    model.predict(copy.copy(data))
    one_line(lambda: diverged(model).predict(data), 'logits of the .* 4 of 4 not finite', NonFiniteError)


def test_cells_are_not_labelled_by_nan():
    head = MODELS.build(dict(type='CellAttributeHead', in_channels=3, num_values=[2, 4]))
    samples = [BaseDataElement() for _ in range(2)]
    head.predict([torch.rand(2, 3, 2, 2)], samples)
    one_line(lambda: head.predict([torch.full((2, 3, 2, 2), NAN)], samples), 'logits of the cells', NonFiniteError)


def test_a_diverged_model_is_not_measured():
    """From NaN weights to the metric, as in a validation."""
    model = build().eval()
    with torch.no_grad():
        model.towers.image_projection.weight[0, 0] = NAN
    samples = [sample.to_dict() for sample in model.predict(batch(model, 4))]
    one_line(lambda: evaluate(RetrievalMetric(), samples), '4 of 4 not finite', NonFiniteError)


# ------------------------------------------------------------------------------------------------ settings and lengths
@OF_FEATURES
def test_features_that_are_not_of_unit_length_are_normalised(metric, tmp_path):
    torch.manual_seed(0)
    samples = retrieval_samples()
    for sample in samples:
        sample['image_feature'] += 0.5 * torch.randn(6)
        sample['text_features'] += 0.5 * torch.randn(2, 6)
    expected = evaluate(metric(tmp_path), samples)
    longer = copy.deepcopy(samples)
    for number, sample in enumerate(longer, start=1):
        sample['image_feature'] *= number**3
        sample['text_features'] *= torch.tensor([[0.01], [100.0]])
    assert evaluate(metric(tmp_path), longer) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize('kind', [RetrievalMetric, RankingMetric, CaptionConsensus])
def test_topk_may_be_one_number(kind):
    assert kind(topk=1).topk == (1,)
    assert kind(topk=[1, 5]).topk == (1, 5)


def test_recall_at_one_number():
    assert evaluate(RetrievalMetric(topk=1), retrieval_samples()) == {
        'retrieval/TR/R@1': 100,
        'retrieval/IR/R@1': 100,
        'retrieval/R@mean': 100,
    }


RANKS = {
    'best_ranks of no candidates': (torch.zeros(2, 0), torch.zeros(2, 0, dtype=torch.bool), 'no own candidate among 0'),
    'best_ranks without an own candidate': (
        torch.zeros(2, 3),
        torch.eye(2, 3, dtype=torch.bool) & (torch.arange(3) > 0),
        '1 of 2 queries',
    ),
    'best_ranks of other shapes': (torch.zeros(2, 3), torch.zeros(3, 2, dtype=torch.bool), r'\(2, 3\) and \(3, 2\)'),
    'best_ranks of one query': (torch.zeros(3), torch.ones(3, dtype=torch.bool), r'must both be \(Q, M\)'),
}


@pytest.mark.parametrize(('scores', 'own', 'message'), RANKS.values(), ids=RANKS)
def test_ranks_that_do_not_exist(scores, own, message):
    one_line(lambda: best_ranks(scores, own), message, ValueError)


@pytest.mark.parametrize('k', [0, -1, 1.5, NAN])
def test_recall_needs_a_rank(k):
    one_line(lambda: recall_at(torch.ones(3), k), 'k must be a whole number', ValueError)
    one_line(lambda: top_candidates(torch.zeros(2, 3), k), 'k must be a whole number', ValueError)


def test_recall_of_no_queries():
    one_line(lambda: recall_at(torch.ones(0), 1), 'no queries', ValueError)


def without(key):
    return lambda samples: samples[1].pop(key)


def with_(number=1, **values):
    return lambda samples: samples[number].update(values)


UNFIT = {
    'RetrievalMetric, fewer text ids than features': (
        RetrievalMetric,
        with_(text_ids=[10]),
        'image 101 has 1 text_ids and features of 2',
    ),
    'RetrievalMetric, more text ids than features': (
        RetrievalMetric,
        with_(text_ids=[1, 2, 3]),
        'image 101 has 3 text_ids',
    ),
    'RetrievalMetric, no text': (
        RetrievalMetric,
        with_(text_ids=[], text_features=torch.zeros(0, 6)),
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
        without('image_feature'),
        'needs `image_feature`, which this model does',
    ),
    'RetrievalMetric, no text_features': (
        RetrievalMetric,
        without('text_features'),
        'needs `text_features`, which this model',
    ),
    'CaptionConsensus, no text': (CaptionConsensus, without('text'), 'captions as `text`'),
    'CaptionConsensus, empty text': (CaptionConsensus, with_(text=[]), 'captions as `text`'),
    'CaptionConsensus, text of numbers': (CaptionConsensus, with_(text=[1, 2]), 'captions as `text`'),
    'CaptionConsensus, fewer captions than features': (
        CaptionConsensus,
        with_(text=['a dog']),
        'has 1 captions in `text` and features of 2',
    ),
    'CaptionConsensus, no image_feature': (CaptionConsensus, without('image_feature'), 'needs `image_feature`'),
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
    'metric', [VQAAccuracy(), NLVR2Accuracy(), RankingMetric(), CellAttributeAccuracy(['shape'])], ids=repr
)
def test_an_empty_set(metric):
    one_line(lambda: metric.compute_metrics([]), 'at least (1 samples|one sample)', EvaluationError)


OTHER = {
    'a label beyond the scores': (RankingMetric(), dict(pred_score=torch.rand(3), gt_label=3), 'whole numbers below 3'),
    'a label of -1': (RankingMetric(), dict(pred_score=torch.rand(3), gt_label=-1), 'whole numbers below 3'),
    'a label that is no whole number': (RankingMetric(), dict(pred_score=torch.rand(3), gt_label=0.5), 'whole numbers'),
    'no scores': (RankingMetric(), dict(gt_label=1), 'RankingMetric needs `pred_score`'),
    'no label to rank': (RankingMetric(), dict(pred_score=torch.rand(3)), 'RankingMetric needs `gt_label`'),
    'no question_id': (VQAAccuracy(), dict(pred_answer='yes', human_answers=['yes']), 'VQAAccuracy needs `question_id`'),
    'no answer': (VQAAccuracy(), dict(question_id=1, human_answers=['yes']), 'needs `pred_answer`, which this model'),
    'no human answers': (VQAAccuracy(), dict(question_id=1, pred_answer='yes'), 'no question has human_answers'),
    'no identifier': (NLVR2Accuracy(), dict(pred_label=1, label=1), 'NLVR2Accuracy needs `identifier`'),
    'no label of a statement': (NLVR2Accuracy(), dict(identifier='a', pred_label=1, label=None), 'a has no label'),
    'a label of 2': (NLVR2Accuracy(), dict(identifier='a', pred_label=1, label=2), 'a has no label'),
    'no predicted label': (NLVR2Accuracy(), dict(identifier='a', label=1), 'needs `pred_label`, which this model'),
    'an identifier with a comma': (NLVR2Accuracy('p.csv'), dict(identifier='a,b', pred_label=1, label=1), 'cannot be written'),
    'an identifier of two lines': (NLVR2Accuracy('p.csv'), dict(identifier='a\nb', pred_label=1, label=1), 'cannot be'),
    'no labels of cells': (CellAttributeAccuracy(['shape']), dict(pred_label=torch.zeros(4, 1)), 'needs `cell_labels`'),
    'cells of other attributes': (
        CellAttributeAccuracy(['shape', 'size']),
        dict(cell_labels=torch.zeros(4, 1), pred_label=torch.zeros(4, 1)),
        r'cell_labels must be \(cells, 2\), got \(4, 1\)',
    ),
    'predictions of other cells': (
        CellAttributeAccuracy(['shape']),
        dict(cell_labels=torch.zeros(4, 1), pred_label=torch.zeros(9, 1)),
        r'pred_label is \(9, 1\), cell_labels \(4, 1\)',
    ),
    'no labelled cell': (
        CellAttributeAccuracy(['shape']),
        dict(cell_labels=-torch.ones(4, 1), pred_label=torch.zeros(4, 1)),
        'no cell of the set has a label of shape',
    ),
}  # fmt: skip


@pytest.mark.parametrize(('metric', 'sample', 'message'), OTHER.values(), ids=OTHER)
def test_a_sample_that_cannot_be_measured(metric, sample, message):
    one_line(lambda: evaluate(copy.deepcopy(metric), [sample]), message, EvaluationError)


# ------------------------------------------------------------------------------------------------ told before a training
def packed(algorithm=(), meta=(), tokenizer=PIPELINE[0]['tokenizer']):
    return [
        dict(PIPELINE[0], tokenizer=tokenizer),
        dict(
            type='mmpretrain.PackInputs',
            algorithm_keys=['token_ids', 'image_id', 'text_ids', *algorithm],
            meta_keys=list(meta),
        ),
    ]


def questions(kind=ShapeWorldQuestions, meta=('question_id', 'human_answers')):
    return kind(4, 32, 2, pipeline=packed(meta=meta, tokenizer=QUESTIONS), test_mode=True)


def pairs(algorithm=('label',), meta=('identifier',)):
    return ShapeWorldPairs(2, 32, pipeline=packed(algorithm, meta, QUESTIONS), test_mode=True)


class Changed(ShapeWorldPairs):
    """Whose annotations were changed by hand."""

    def __init__(self, change):
        self.change = change
        super().__init__(2, 32, pipeline=packed(('label',), ('identifier',), QUESTIONS), test_mode=True)

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
        return dict(entry, human_answers=[])


class TheSameQuestion(ChangedQuestions):
    def changed(self, number, entry):
        return dict(entry, question_id=5)


def without_label(number, entry):
    if number == 3:
        entry['label'] = -1


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
    'question_id that PackInputs does not name': (VQAAccuracy(), questions(meta=['human_answers']), 'needs `question_id`'),
    'answers missing': (VQAAccuracy(), questions(WithoutAnswers), 'no question has human_answers'),
    'a question_id for all': (VQAAccuracy(), questions(TheSameQuestion), 'question_id 5 comes 8 times'),
    'identifiers that PackInputs does not name': (NLVR2Accuracy(), pairs(meta=[]), 'needs `identifier`'),
    'labels that PackInputs does not name': (NLVR2Accuracy(), pairs(algorithm=[]), 'has no label'),
    'one label missing': (NLVR2Accuracy(), Changed(without_label), 'world-0-3-0 has no label'),
    'one identifier for all': (NLVR2Accuracy(), Changed(same_identifier), 'mine comes 8 times'),
    'one image': (RetrievalMetric(), world(1, test_mode=True), 'at least 2 samples, this one has 1'),
    'one image for consensus': (CaptionConsensus(), world(1, test_mode=True), 'at least 2 samples, this one has 1'),
    'text that PackInputs does not name': (CaptionConsensus(), questions(meta=[]), 'captions as `text`'),
    'an image twice': (RetrievalMetric(), questions(), r'image \d+ comes twice'),
    'no attributes of cells': (CellAttributeAccuracy(['shape']), world(2), 'needs `cell_labels`'),
    'features of one image': (RetrievalMetric(), Features(1), 'at least 2 samples, this one has 1'),
    'features without text': (CaptionConsensus(), Features(3, text=[]), 'captions as `text`'),
    'an empty data set': (RetrievalMetric(), Features(0), 'at least 2 samples, this one has 0'),
}  # fmt: skip


@pytest.mark.parametrize(('metric', 'dataset', 'message'), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_metric_that_cannot_be_computed_is_told_from_the_data_set(metric, dataset, message):
    one_line(lambda: check_dataset(metric, dataset), message, EvaluationError)


def test_judgements_of_other_pictures_are_told_from_the_data_set(tmp_path):
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
