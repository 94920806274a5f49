"""Random numbers that are a function of their keys (a counter-based generator), not of a generator's state.

The draw for (iteration, text id, position) is the same on one process or eight, and after a resume: no state to save.

Shapes: A anchors, M candidates.
"""

import torch
from torch import Tensor

_GOLDEN = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9
_MIX_2 = -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB


def keyed_uniform(seed: int, *keys: Tensor) -> Tensor:
    """Uniform numbers in (0, 1), float32, one for each element of the broadcast integer keys (splitmix64 of the keys)."""
    # The seed is mixed, too: it must not matter only through its sum with the first key.
    state = _mix(torch.tensor(seed, dtype=torch.int64, device=keys[0].device) + _GOLDEN)
    for key in keys:
        state = _mix(state + _GOLDEN + key.long())
    # 24 bits are what a float32 holds exactly; the half step keeps 0 and 1 out.
    return (_shift(state, 40).float() + 0.5) * 2.0**-24


def keyed_gumbel(seed: int, *keys: Tensor) -> Tensor:
    """Standard Gumbel noise: argmax(log p + noise) is a draw from p."""
    return -torch.log(-torch.log(keyed_uniform(seed, *keys)))


@torch.no_grad()
def sample_hard_negatives(
    logits_AM: Tensor, excluded_AM: Tensor, anchor_ids_A: Tensor, candidate_ids_M: Tensor, seed: int
) -> Tensor:
    """One candidate index per anchor, (A,), drawn in proportion to softmax(logits) over the candidates that are not
    excluded.

    Drawn for all anchors at once by the Gumbel maximum, with noise that is a function of (seed, anchor id, candidate id):
    how the pairs are spread over processes does not matter. An anchor that excludes all gets some candidate; `has_negative`
    is False there.
    """
    noise_AM = keyed_gumbel(seed, anchor_ids_A[:, None], candidate_ids_M[None, :])
    scores_AM = logits_AM.float().log_softmax(dim=1) + noise_AM
    return scores_AM.masked_fill(excluded_AM, -torch.inf).argmax(dim=1)


def has_negative(excluded_AM: Tensor) -> Tensor:
    """(A,): whether there is a candidate that is not excluded."""
    return ~excluded_AM.all(dim=1)


def _shift(value: Tensor, bits: int) -> Tensor:
    """Logical shift to the right."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _mix(value: Tensor) -> Tensor:
    value = (value ^ _shift(value, 30)) * _MIX_1
    value = (value ^ _shift(value, 27)) * _MIX_2
    return value ^ _shift(value, 31)
