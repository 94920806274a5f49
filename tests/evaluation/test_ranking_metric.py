import numpy as np
import pytest
import torch

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.evaluation import RankingMetric


def samples(queries=30, candidates=12):
    generator = torch.Generator().manual_seed(0)
    for number in range(queries):
        labels = torch.randperm(candidates, generator=generator)[: 1 + number % 3]
        # As mmpretrain gives them: one index, a list of them, or a tensor.
        label = (int(labels[0]), labels.tolist(), labels)[min(number % 3, len(labels) - 1)]
        yield dict(pred_score=torch.rand(candidates, generator=generator), gt_label=label)


def evaluate(metric, rows):
    metric.process({}, rows)
    return metric.evaluate(len(rows))


def test_recalls_are_those_of_mmpretrain(monkeypatch):
    load_mmpretrain()
    monkeypatch.setattr(np, 'in1d', np.isin, raising=False)  # mmpretrain uses it, NumPy >= 2.4 has it no longer
    from mmpretrain.evaluation import RetrievalRecall

    rows = list(samples())
    ours, theirs = evaluate(RankingMetric(topk=(1, 5)), rows), evaluate(RetrievalRecall(topk=(1, 5)), rows)
    for k in (1, 5):
        assert ours[f'ranking/R@{k}'] == pytest.approx(theirs[f'retrieval/Recall@{k}'])
    assert 0 < ours['ranking/R@1'] < ours['ranking/R@5'] < 100


def test_mean_average_precision_in_plain_loops():
    rows = list(samples())
    total = 0
    for row in rows:
        order = sorted(range(12), key=lambda i: -float(row['pred_score'][i]))
        labels = torch.as_tensor(row['gt_label']).flatten().tolist()
        places = sorted(order.index(label) + 1 for label in labels)
        total += sum((n + 1) / place for n, place in enumerate(places)) / len(places)
    assert evaluate(RankingMetric(), rows)['ranking/mAP'] == pytest.approx(100 * total / len(rows))


def test_equal_scores_never_help():
    metrics = evaluate(RankingMetric(topk=(1, 3)), [dict(pred_score=torch.zeros(4), gt_label=0)])
    assert metrics == {'ranking/R@1': 0, 'ranking/R@3': 0, 'ranking/mAP': pytest.approx(25)}


def test_a_sample_without_a_true_candidate_is_an_error():
    with pytest.raises(ValueError, match='empty gt_label'):
        RankingMetric().process({}, [dict(pred_score=torch.rand(3), gt_label=[])])
