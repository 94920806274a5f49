"""Retrieval measures. Shapes: Q queries, M candidates. Ties count against the model: equal scores never help it, except in
`area_under_curve` and `percentile_ranks`, where they count half.

Scores that are not finite raise NonFiniteError: a NaN would rank first.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, rankdata
from torch import Tensor

from sacl_mm.functional.settings import check_count, check_finite

# Rows at a time: bounds the memory of sorting to a few hundred megabytes at COCO's 25,000 candidates.
_CHUNK = 1024

# The protocols that publications use: name, and description in reports.
RERANKING_SCORES = {
    'itm': 'ITM alone (as ALBEF)',
    'itm+itc': 'ITM + ITC (as LAVIS and mmpretrain)',
    'itm+itc/temperature': 'ITM + ITC / temperature',
}


def checked_topk(topk: int | Sequence[int]) -> tuple[int, ...]:
    """The k that a measure is taken at, as a tuple: one number, or several.

    Raises:
        ValueError: none, or one that is not a whole number of at least 1.
    """
    numbers = (topk,) if isinstance(topk, int) else tuple(topk)
    if not numbers:
        raise ValueError('topk must be a whole number of at least 1, or several, got none')
    for number in numbers:
        check_count('topk', number)
    return numbers


def best_ranks(scores_QM: Tensor, own_QM: Tensor) -> Tensor:
    """Rank (from 1) of each query's best own candidate, (Q,): 1 + the number of others that score at least as high.

    Raises:
        ValueError: a query without an own candidate, which is the case if there are no candidates; NonFiniteError.
    """
    if scores_QM.ndim != 2 or own_QM.shape != scores_QM.shape:
        raise ValueError(
            f'scores and own candidates must both be (Q, M), got {tuple(scores_QM.shape)} and {tuple(own_QM.shape)}'
        )
    check_finite(scores_QM, 'scores of the queries')
    without = (~own_QM.any(dim=1)).nonzero()[:, 0].tolist()
    if without:
        raise ValueError(
            f'{len(without)} of {len(own_QM)} queries have no own candidate among {own_QM.shape[1]}, the first is number '
            f'{without[0]}: there is nothing whose rank could be told'
        )
    best_Q1 = scores_QM.masked_fill(~own_QM, -torch.inf).amax(dim=1, keepdim=True)
    return 1 + ((scores_QM >= best_Q1) & ~own_QM).sum(dim=1)


def top_candidates(scores_QM: Tensor, k: int) -> Tensor:
    """(Q, M): whether a candidate is among the k best of its query; of equal scores the first ones."""
    check_count('k', k)
    check_finite(scores_QM, 'scores of the queries')
    chosen_Qk = scores_QM.argsort(dim=1, descending=True, stable=True)[:, :k]
    return torch.zeros_like(scores_QM, dtype=torch.bool).scatter_(1, chosen_Qk, True)


def first_candidates(scores_QM: Tensor, relevant_QM: Tensor, k: int) -> Tensor:
    """The k best candidates of each query, best first, (Q, min(k, M)); scores of float32 or less."""
    check_count('k', k)
    check_finite(scores_QM, 'scores of the queries')
    exact_QM = scores_QM.double()
    # The next smaller number in float64 is above every smaller one in float32.
    below_QM = torch.nextafter(exact_QM, torch.full_like(exact_QM, -torch.inf))
    return torch.where(relevant_QM, below_QM, exact_QM).topk(min(k, scores_QM.shape[1]), dim=1).indices


def reranked(scores_QM: Tensor, candidate_QM: Tensor, second_QM: Tensor) -> Tensor:
    """Scores by which the candidates come first, in the order of `second_QM`, and the others after them, in the order of
    `scores_QM`."""
    check_finite(scores_QM, 'scores of the queries')
    check_finite(second_QM, 'second scores of the queries')
    lowest_Q1 = second_QM.masked_fill(~candidate_QM, torch.inf).amin(dim=1, keepdim=True)
    highest_Q1 = scores_QM.masked_fill(candidate_QM, -torch.inf).amax(dim=1, keepdim=True)
    below_QM = scores_QM - highest_Q1 - 1 + lowest_Q1
    return torch.where(candidate_QM, second_QM, below_QM)


def check_reranking_score(name: str) -> None:
    """Raises ValueError unless it is one of `RERANKING_SCORES`."""
    if name not in RERANKING_SCORES:
        raise ValueError(f'score must be one of {sorted(RERANKING_SCORES)}, got {name!r}')


def reranking_score(name: str, matching: Tensor, cosine: Tensor, temperature: Tensor) -> Tensor:
    """`matching`, the matching head's logit for "matches", plus nothing, the cosine, or the cosine over the learned
    temperature, which is the logit of the contrastive softmax."""
    if name == 'itm':
        return matching
    return matching + (cosine / temperature if name == 'itm+itc/temperature' else cosine)


def recall_at(ranks_Q: Tensor, k: int) -> float:
    """Share of queries, in percent, whose best own candidate is among the first k; ValueError without queries."""
    check_count('k', k)
    if not len(ranks_Q):
        raise ValueError('no queries, so there is no recall')
    return 100 * (ranks_Q <= k).double().mean().item()


def graded_measures(scores_QM: Tensor, own_QM: Tensor, relevant_QM: Tensor) -> dict[str, float]:
    """Measures over *all* true matches, not only the annotated ones; means over the queries that have any.

    * `mAP`: mean average precision, in percent.
    * `P@1`: share of queries whose first candidate is true, in percent.
    * `false_negative_rank`: mean rank (from 1) of the true candidates that are not annotated, averaged per query; 50 %
      of M is chance.
    """
    check_finite(scores_QM, 'scores of the queries')
    precision, first, false_negative = [], [], []
    for scores, own, relevant in _chunks(scores_QM, own_QM, relevant_QM):
        order = _pessimistic_order(scores, relevant)
        hits = relevant.gather(1, order).double()
        rank = torch.arange(1, hits.shape[1] + 1, dtype=torch.float64, device=hits.device)
        count = hits.sum(dim=1)
        average = (hits * hits.cumsum(dim=1) / rank).sum(dim=1) / count
        precision.append(average[count > 0])
        first.append(hits[count > 0, 0])
        unannotated = (relevant & ~own).gather(1, order).double()
        mean_rank = (unannotated * rank).sum(dim=1) / unannotated.sum(dim=1)
        false_negative.append(mean_rank[unannotated.sum(dim=1) > 0])
    return {
        'mAP': 100 * torch.cat(precision).mean().item(),
        'P@1': 100 * torch.cat(first).mean().item(),
        'false_negative_rank': torch.cat(false_negative).mean().item(),
    }


def cumulative_gain(scores_QM: Tensor, worth_QM: Tensor, candidate_QM: Tensor, topk: Sequence[int]) -> dict[str, float]:
    """`NCS@k`: the worth of each query's first k candidates as a share of the most that k candidates have, in percent,
    averaged over the queries that have any (nan if none has). `chance`: the value of a random order, at the largest k.

    Args:
        worth_QM: not negative.
        candidate_QM: which candidates are ranked; at least one for each query.
        topk: a k beyond M counts as M.
    """
    check_finite(scores_QM, 'scores of the queries')
    check_finite(worth_QM, 'worth of the candidates')
    depth, gains, chances = min(max(topk), scores_QM.shape[1]), [], []
    for scores, worth, candidate in _chunks(scores_QM, worth_QM, candidate_QM):
        worth, scores = worth.masked_fill(~candidate, 0), scores.masked_fill(~candidate, -torch.inf)
        # All that score like the last one asked for: among equal scores the less worthy comes first.
        last = scores.topk(depth, dim=1).values[:, -1:]
        first = scores.topk(int((scores >= last).sum(dim=1).max()), dim=1)
        worth_of_first = worth.gather(1, first.indices).double()
        order = worth_of_first.argsort(dim=1, stable=True)
        order = order.gather(1, first.values.gather(1, order).argsort(dim=1, descending=True, stable=True))
        found = worth_of_first.gather(1, order[:, :depth]).cumsum(dim=1)
        best = worth.topk(depth, dim=1).values.double().cumsum(dim=1)
        any_worth = best[:, 0] > 0
        gains.append((found / best)[any_worth])
        mean = worth.sum(dim=1, dtype=torch.float64) / candidate.sum(dim=1)
        chances.append((depth * mean / best[:, -1])[any_worth])
    gain = 100 * torch.cat(gains).mean(dim=0)
    return {f'NCS@{k}': gain[min(k, depth) - 1].item() for k in topk} | {
        'chance': 100 * torch.cat(chances).mean().item()
    }


def area_under_curve(positive_P: NDArray, negative_N: NDArray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative; NaN if there is none of either."""
    pairs = len(positive_P) * len(negative_N)
    if pairs == 0:
        return float('nan')
    return float(mannwhitneyu(positive_P, negative_N, method='asymptotic').statistic / pairs)


def percentile_ranks(scores_QM: NDArray, index_Q: NDArray) -> NDArray:
    """Share, in percent, of the M - 1 other candidates that score below candidate `index_Q` of its query, (Q,).

    100 is ahead of all others, 50 is chance.
    """
    rank_Q = np.take_along_axis(rankdata(scores_QM, axis=1), index_Q[:, None], axis=1)[:, 0]
    return 100 * (rank_Q - 1) / (scores_QM.shape[1] - 1)


def _chunks(*matrices_QM: Tensor) -> Iterator[tuple[Tensor, ...]]:
    yield from zip(*(matrix.split(_CHUNK) for matrix in matrices_QM), strict=True)


def _pessimistic_order(scores_QM: Tensor, relevant_QM: Tensor) -> Tensor:
    """Candidates from the highest score down; of equal scores the irrelevant ones come first."""
    irrelevant_first = relevant_QM.byte().argsort(dim=1, stable=True)
    by_score = scores_QM.gather(1, irrelevant_first).argsort(dim=1, descending=True, stable=True)
    return irrelevant_first.gather(1, by_score)
