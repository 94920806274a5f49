"""Rows of the table of cases on measures: what is not finite is never ranked; features, topk and ranks that make no sense."""

import copy

import pytest
import torch
from measure_samples import NAN, NOT_FINITE, OF_FEATURES, QUESTIONS, evaluate, one_line, retrieval_samples
from mmengine.structures import BaseDataElement
from tiny import TOWERS, VOCAB, batch, build, model_config

from sacl_mm.engine.runner.reranking_loop import _Candidates, _Entry
from sacl_mm.evaluation import (
    CaptionConsensus,
    CellAttributeAccuracy,
    NLVR2Accuracy,
    RankingMetric,
    RetrievalMetric,
    VQAAccuracy,
)
from sacl_mm.functional.ranking import best_ranks, cumulative_gain, graded_measures, recall_at, reranked, top_candidates
from sacl_mm.functional.settings import check_finite
from sacl_mm.registry import MODELS
from sacl_mm.user_error import NonFiniteError


# ------------------------------------------------------------------------------------------------ not finite
@OF_FEATURES
@NOT_FINITE
@pytest.mark.parametrize('side', ['pred_image_feature', 'pred_text_features'])
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
        sample['pred_image_feature'] *= NAN
        sample['pred_text_features'] *= NAN
    one_line(lambda: evaluate(metric(tmp_path), samples), '4 of 4 not finite', NonFiniteError)


@OF_FEATURES
def test_the_same_samples_without_nan_have_a_measure(metric, tmp_path):
    assert evaluate(metric(tmp_path), retrieval_samples())


@pytest.mark.parametrize(('number', 'names'), [(1, '101'), (3, '103')])
def test_which_images_are_not_finite_is_named(number, names):
    samples = retrieval_samples()
    samples[number]['pred_image_feature'][0] = NAN
    one_line(
        lambda: evaluate(RetrievalMetric(), samples), f'image features of image_id: 1 of 4 not finite .*: {names}\\.'
    )


@NOT_FINITE
def test_re_ranking_scores_that_are_not_finite_are_refused_by_the_metric(value):
    samples = retrieval_samples()
    for sample in samples:
        ids = torch.tensor(sample['text_ids'])
        yes = torch.ones(len(ids), dtype=torch.bool)
        sample['pred_reranking'] = dict(text_ids=ids, scores=torch.ones(2), by_image=yes, by_text=yes, k=2, score='ITM')
    assert evaluate(RetrievalMetric(), samples)
    samples[2]['pred_reranking']['scores'][1] = value
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
    sample = dict(question_id=7, pred_answer='yes', pred_score=value, gt_human_answers=['yes'])
    one_line(lambda: evaluate(VQAAccuracy(), [sample]), 'pred_score of question_id 7 is', NonFiniteError)


@NOT_FINITE
def test_a_statement_with_scores_that_are_not_finite_is_refused(value):
    sample = dict(identifier='dev-1-0-0', pred_label=1, gt_label=1, pred_score=torch.tensor([value, 0.5]))
    one_line(lambda: evaluate(NLVR2Accuracy(), [sample]), 'pred_score of dev-1-0-0', NonFiniteError)


def test_attributes_that_are_nan_are_refused():
    sample = dict(gt_cell_labels=torch.zeros(4, 1), pred_cell_labels=torch.tensor([[NAN]] * 4))
    one_line(lambda: evaluate(CellAttributeAccuracy(['shape']), [sample]), 'pred_cell_labels of cells', NonFiniteError)


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
def diverged(model):
    with torch.no_grad():
        next(model.multimodal_backbone.parameters()).fill_(NAN)
    return model.eval()


def test_answers_are_not_ranked_by_nan():
    model = MODELS.build(
        dict(
            type='VisualQuestionAnswering',
            data_preprocessor=dict(type='ImageTextPreprocessor', vocab_size=VOCAB),
            towers=dict(TOWERS, embed_dims=None),
            multimodal_backbone=model_config()['multimodal_backbone'],
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
    config = dict(
        type=kind, data_preprocessor=dict(type='ImageTextPreprocessor', vocab_size=VOCAB), multimodal_backbone=fusion
    )
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
        sample['pred_image_feature'] += 0.5 * torch.randn(6)
        sample['pred_text_features'] += 0.5 * torch.randn(2, 6)
    expected = evaluate(metric(tmp_path), samples)
    longer = copy.deepcopy(samples)
    for number, sample in enumerate(longer, start=1):
        sample['pred_image_feature'] *= number**3
        sample['pred_text_features'] *= torch.tensor([[0.01], [100.0]])
    assert evaluate(metric(tmp_path), longer) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize('kind', [RetrievalMetric, RankingMetric, CaptionConsensus])
def test_topk_may_be_one_number(kind):
    assert kind(topk=1).topk == (1,)
    assert kind(topk=[1, 5]).topk == (1, 5)


@OF_FEATURES
def test_features_may_be_numpy_arrays(metric, tmp_path):
    samples = retrieval_samples()
    expected = evaluate(metric(tmp_path), samples)
    for sample in samples:
        sample |= {key: sample[key].numpy() for key in ('pred_image_feature', 'pred_text_features')}
    assert evaluate(metric(tmp_path), samples) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(('topk', 'warnings'), [((1, 3), 0), ((1, 4), 1), (10, 1)])
def test_a_recall_that_is_100_whatever_the_model_is_warned_of(topk, warnings, monkeypatch):
    messages = []
    monkeypatch.setattr('sacl_mm.evaluation.retrieval_metric.print_log', lambda message, **_: messages.append(message))
    evaluate(RetrievalMetric(topk=topk), retrieval_samples())
    assert len(messages) == warnings


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
