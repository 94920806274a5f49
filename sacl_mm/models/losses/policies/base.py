"""The interface of a false-negative policy."""

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
        return self.base_policy.row_scores(pairs)


def check_policy(name: str, policy: object) -> NegativePolicy:
    """The policy; ValueError, which names the argument, for anything else."""
    if isinstance(policy, NegativePolicy):
        return policy
    given = type(policy).__name__ if isinstance(policy, nn.Module) else repr(policy)
    raise ValueError(
        f"{name} must be a NegativePolicy such as InfoNCE(), or in a configuration dict(type='InfoNCE'), got {given}"
    )
