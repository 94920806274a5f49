"""The interface of a false-negative policy, and what several policies share."""

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor, nn

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment


class NegativePolicy(nn.Module):
    """Decides from similarities, evidence and ids how strongly each negative is pushed away; it may change the targets,
    too."""

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        """Names of the evidence that it reads from `pairs.evidence_AM`, at any time of the training."""
        return ()

    @property
    def needs_row_sums(self) -> bool:
        """Whether it reads `pairs.normalised(...)`. The loss then asks for the `row_scores` of all blocks first."""
        return False

    def row_scores(self, pairs: ContrastivePairs) -> Tensor:
        """The log-weights (A, M), not yet normalised, that `pairs.normalised` is given."""
        raise NotImplementedError

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        """The treatment of a block of pairs, (A, M).

        Called for each block and direction, in training more than once: the same pairs must get the same treatment. Don't
        write to the tensors of `pairs`.
        """
        raise NotImplementedError


class DerivedPolicy(NegativePolicy):
    """Changes another policy's treatment.

    Args:
        base_policy: that policy.
    """

    def __init__(self, base_policy: NegativePolicy) -> None:
        super().__init__()
        self.base_policy = check_policy('base_policy', base_policy)

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return self.base_policy.needs_evidence

    @property
    def needs_row_sums(self) -> bool:
        return self.base_policy.needs_row_sums

    def row_scores(self, pairs: ContrastivePairs) -> Tensor:
        if self.base_policy.needs_row_sums:
            return self.base_policy.row_scores(pairs)
        log_weights_AM = self.base_policy(pairs).log_weights_AM
        return torch.zeros_like(pairs.similarity_AM) if log_weights_AM is None else log_weights_AM

    def normalised_treatment(self, pairs: ContrastivePairs) -> PairTreatment:
        """The base policy's, its weights normalised already if it asks for that; for policies with `needs_row_sums`."""
        treatment = self.base_policy(pairs)
        if treatment.normalise and treatment.log_weights_AM is not None:
            treatment.log_weights_AM = pairs.normalised(treatment.log_weights_AM)
        treatment.normalise = False
        return treatment


def check_policy(name: str, policy: object) -> NegativePolicy:
    """The policy; ValueError, which names the argument, for anything else."""
    if isinstance(policy, NegativePolicy):
        return policy
    given = type(policy).__name__ if isinstance(policy, nn.Module) else repr(policy)
    raise ValueError(
        f"{name} must be a NegativePolicy such as InfoNCE(), or in a configuration dict(type='InfoNCE'), got {given}"
    )


def evidence_names(evidence: str | Iterable[str]) -> tuple[str, ...]:
    """The names in a policy's argument `evidence`, which is one name or several; ValueError for anything else."""
    names = (evidence,) if isinstance(evidence, str) else tuple(evidence) if isinstance(evidence, Iterable) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"evidence must be a name such as 'captions', or several, got {evidence!r}")
    return names


def agreed_evidence(pairs: ContrastivePairs, names: tuple[str, ...]) -> Tensor:
    """The evidence (A, M) of that name; of several names their agreement, the elementwise minimum, for which they should have
    the same scale. Don't write to it."""
    return reduce(torch.minimum, (pairs.evidence_AM[name] for name in names))


def linear(ends: tuple[float, float], progress: float) -> float:
    """A linear schedule: the first of the ends at progress 0, the last at 1."""
    first, last = ends
    return first + (last - first) * progress
