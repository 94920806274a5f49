"""Soft targets from a momentum teacher: the targets change, not the weights."""

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import DerivedPolicy, NegativePolicy


class MomentumDistillation(DerivedPolicy):
    """targets = (1 - b) * positives + b * softmax(cos_teacher / tau) (ALBEF, Li et al., arXiv 2107.07651, Eq. 6).

    The momentum teacher's unit features are the evidence 'teacher'.

    Args:
        base_policy: the policy that weighs the negatives; InfoNCE in ALBEF.
        weight: b after the ramp.
        ramp: fraction of the training over which b rises linearly from 0; in ALBEF the first of 30 epochs.
    """

    def __init__(self, base_policy: NegativePolicy, weight: float = 0.4, ramp: float = 1 / 30) -> None:
        super().__init__(base_policy)
        check_number('weight', weight, '[0, 1]')
        check_number('ramp', ramp, '[0, 1]')
        self.weight = weight
        self.ramp = ramp

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return 'teacher', *self.base_policy.needs_evidence

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        treatment = self.base_policy(pairs)
        treatment.soft_target_scores_AM = pairs.evidence_AM['teacher'] / pairs.temperature
        treatment.soft_target_share = ramped(self.weight, pairs.progress, self.ramp)
        return treatment


def ramped(value: float, progress: float, ramp: float) -> float:
    """`value` after a linear rise from 0 over the first `ramp` of the training."""
    return value * min(1.0, progress / ramp) if ramp > 0 else value
