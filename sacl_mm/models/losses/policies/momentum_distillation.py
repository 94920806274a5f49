"""Soft targets from a momentum teacher: the targets change, not the weights."""

from torch import Tensor

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs
from sacl_mm.models.losses.policies.base import NegativePolicy
from sacl_mm.models.losses.policies.soft_targets import SoftTargets


class MomentumDistillation(SoftTargets):
    """targets = (1 - b) * positives + b * softmax(cos_teacher / tau) (ALBEF, Li et al., arXiv 2107.07651, Eq. 6).

    Soft targets whose evidence, 'teacher', are the momentum teacher's unit features, and whose temperature is the learned one.

    Args:
        base_policy: the policy that weighs the negatives; InfoNCE in ALBEF.
        weight: b after the ramp.
        ramp: fraction of the training over which b rises linearly from 0; in ALBEF the first of 30 epochs.
    """

    def __init__(self, base_policy: NegativePolicy, weight: float = 0.4, ramp: float = 1 / 30) -> None:
        check_number('weight', weight, '[0, 1]')
        check_number('ramp', ramp, '[0, 1]')
        super().__init__(base_policy, 'teacher', weight)
        self.weight = weight
        self.ramp = ramp

    def share(self, progress: float) -> float:
        return ramped(self.weight, progress, self.ramp)

    def scores(self, pairs: ContrastivePairs) -> Tensor:
        return pairs.evidence_AM['teacher'] / pairs.temperature


def ramped(value: float, progress: float, ramp: float) -> float:
    """`value` after a linear rise from 0 over the first `ramp` of the training."""
    return value * min(1.0, progress / ramp) if ramp > 0 else value
