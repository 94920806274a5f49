"""Sampling of hard negatives for image-text matching. Shapes: A anchors, M candidates."""

import torch
from torch import Tensor

from sacl_mm.functional.keyed_random import keyed_gumbel


@torch.no_grad()
def sample_hard_negatives(
    logits_AM: Tensor, positive_AM: Tensor, anchor_ids_A: Tensor, candidate_ids_M: Tensor, seed: int
) -> Tensor:
    """One candidate index per anchor, (A,), drawn in proportion to softmax(logits) over what is no positive of it.

    Drawn for all anchors at once by the Gumbel maximum, with noise that is a function of (seed, anchor id, candidate id):
    how the pairs are spread over processes does not matter. An anchor without any negative gets a uniformly drawn
    candidate; `has_negative` tells which these are.
    """
    noise_AM = keyed_gumbel(seed, anchor_ids_A[:, None], candidate_ids_M[None, :])
    scores_AM = logits_AM.float().log_softmax(dim=1) + noise_AM
    # A large finite penalty instead of -inf, so that an anchor with positives only still gets a valid index.
    return scores_AM.masked_fill(positive_AM, -1e9).argmax(dim=1)


def has_negative(positive_AM: Tensor) -> Tensor:
    """(A,): whether there is a candidate that is not a positive."""
    return ~positive_AM.all(dim=1)
