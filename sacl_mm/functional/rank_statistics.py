"""How well scores separate and where they place things. Shapes: P and N scores, Q queries, M candidates. Ties count half."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def area_under_curve(positive_P: NDArray, negative_N: NDArray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative; NaN if there is none of either.

    `(sum of the positives' ranks - P (P + 1) / 2) / (P N)` with mean ranks for ties (the Mann-Whitney statistic).
    """
    count = len(positive_P)
    pairs = count * len(negative_N)
    if pairs == 0:
        return float('nan')
    ranks = rankdata(np.concatenate([positive_P, negative_N]))[:count]
    return float((ranks.sum() - count * (count + 1) / 2) / pairs)


def percentile_ranks(scores_QM: NDArray, index_Q: NDArray) -> NDArray:
    """Share, in percent, of the M - 1 other candidates that score below candidate `index_Q` of its query, (Q,).

    100 is ahead of all others, 50 is chance.
    """
    own_Q1 = np.take_along_axis(scores_QM, index_Q[:, None], axis=1)
    below = (scores_QM < own_Q1).sum(axis=1)
    equal = (scores_QM == own_Q1).sum(axis=1) - 1  # not the candidate itself
    return 100 * (below + equal / 2) / (scores_QM.shape[1] - 1)
