import numpy as np
import pytest
import torch

from sacl_mm.functional.ranking import (
    area_under_curve,
    best_ranks,
    first_candidates,
    graded_measures,
    percentile_ranks,
    recall_at,
)


def plain_rank(scores, own):
    """Rank of the best own candidate if every tie goes against it."""
    order = sorted(range(len(scores)), key=lambda m: (-scores[m], own[m]))
    return 1 + min(place for place, m in enumerate(order) if own[m])


def plain_average_precision(scores, relevant):
    order = sorted(range(len(scores)), key=lambda m: (-scores[m], relevant[m]))
    hits, total = 0, 0.0
    for place, m in enumerate(order, start=1):
        if relevant[m]:
            hits += 1
            total += hits / place
    return total / hits


@pytest.fixture(params=[False, True], ids=['distinct', 'ties'])
def retrieval(request):
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(40, 60, generator=generator)
    if request.param:
        scores = (scores * 4).round()
    own = torch.zeros(40, 60, dtype=torch.bool)
    own[torch.arange(40), torch.arange(40)] = True
    own[:20, 40:] |= torch.eye(20, dtype=torch.bool)
    return scores, own, own | (torch.rand(40, 60, generator=generator) < 0.1)


def test_recall_equals_plain_loops(retrieval):
    scores, own, _ = retrieval
    ranks = best_ranks(scores, own)
    assert ranks.tolist() == [plain_rank(s, o) for s, o in zip(scores.tolist(), own.tolist(), strict=True)]
    for k in (1, 5, 10):
        assert recall_at(ranks, k) == pytest.approx(100 * sum(rank <= k for rank in ranks.tolist()) / 40)


def test_graded_measures_equal_plain_loops(retrieval, monkeypatch):
    monkeypatch.setattr('sacl_mm.functional.ranking._CHUNK', 7)
    scores, own, relevant = retrieval
    measures = graded_measures(scores, own, relevant)
    rows = list(zip(scores.tolist(), own.tolist(), relevant.tolist(), strict=True))
    assert measures['mAP'] == pytest.approx(100 * sum(plain_average_precision(s, r) for s, _, r in rows) / 40)
    first, mean_ranks = [], []
    for s, o, r in rows:
        order = sorted(range(60), key=lambda m: (-s[m], r[m]))
        first.append(r[order[0]])
        ranks = [place for place, m in enumerate(order, start=1) if r[m] and not o[m]]
        if ranks:
            mean_ranks.append(sum(ranks) / len(ranks))
    assert measures['P@1'] == pytest.approx(100 * sum(first) / 40)
    assert measures['false_negative_rank'] == pytest.approx(sum(mean_ranks) / len(mean_ranks))


@pytest.mark.parametrize('k', [1, 7, 99])
def test_first_candidates_equal_plain_loops(retrieval, k):
    scores, _, relevant = retrieval
    scores = torch.where(scores > 0.8, torch.nextafter(scores, torch.ones(())), scores)  # neighbours in float32
    first = first_candidates(scores, relevant, k)
    assert first.shape == (40, min(k, 60))
    for row, (s, r) in enumerate(zip(scores.tolist(), relevant.tolist(), strict=True)):
        order = sorted(range(60), key=lambda m: (-s[m], r[m]))[:k]
        found = first[row].tolist()
        assert [(s[m], r[m]) for m in found] == [(s[m], r[m]) for m in order]
        assert len(set(found)) == len(found)


def test_a_constant_score_earns_nothing():
    own = torch.eye(20, dtype=torch.bool)
    assert recall_at(best_ranks(torch.zeros(20, 20), own), 10) == 0.0


def test_a_perfect_score_earns_everything():
    own = torch.eye(20, dtype=torch.bool)
    relevant = own | (torch.rand(20, 20) < 0.3)
    measures = graded_measures(relevant.float(), own, relevant)
    assert measures['mAP'] == pytest.approx(100)
    assert measures['P@1'] == pytest.approx(100)


@pytest.mark.parametrize('levels', [4, 10**6], ids=['ties', 'distinct'])
def test_area_and_percentiles_equal_plain_loops(levels):
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(levels, size=30), rng.integers(levels, size=50)
    wins = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    assert area_under_curve(positive, negative) == pytest.approx(np.mean(wins))

    scores, index = rng.integers(levels, size=(20, 15)), rng.integers(15, size=20)
    expected = [
        100 * np.mean([(row[i] > row[m]) + (row[i] == row[m]) / 2 for m in range(15) if m != i])
        for row, i in zip(scores, index, strict=True)
    ]
    np.testing.assert_allclose(percentile_ranks(scores, index), expected)


def test_area_and_percentiles_of_extremes():
    assert area_under_curve(np.array([2.0, 3.0]), np.array([1.0])) == 1
    assert area_under_curve(np.array([1.0]), np.array([1.0, 1.0])) == 0.5
    assert np.isnan(area_under_curve(np.array([]), np.array([1.0])))
    assert np.isnan(area_under_curve(np.array([1.0]), np.array([])))
    ranks = percentile_ranks(np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), np.array([0, 0, 0]))
    assert ranks.tolist() == [100, 0, 50]
