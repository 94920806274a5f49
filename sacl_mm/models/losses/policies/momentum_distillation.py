"""Soft targets from a momentum teacher: the targets change, not the weights."""

import math

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy, build_policy
from sacl_mm.registry import MODELS


@MODELS.register_module()
class MomentumDistillation(NegativePolicy):
    """targets = (1 - b) * positives + b * softmax(sim_teacher / tau) (ALBEF, Li et al., arXiv 2107.07651, Eq. 6).

    Args:
        weights: the policy that weighs the negatives meanwhile (a config or a module); InfoNCE in ALBEF.
        weight: b once the ramp is over.
        ramp: share of the training over which b rises linearly from 0; ALBEF takes the first of its 30 epochs.
    """

    needs_teacher = True

    def __init__(self, weights: dict | NegativePolicy, weight: float = 0.4, ramp: float = 1 / 30) -> None:
        super().__init__()
        check_number('weight', weight, '[0, 1]')
        check_number('ramp', ramp, '[0, 1]')
        self.weight = weight
        self.ramp = ramp
        self.weights = build_policy('weights', weights)

    @property
    def needs_reference(self) -> bool:
        return self.weights.needs_reference

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        if pairs.teacher_similarity_AM is None:
            raise ValueError('MomentumDistillation needs teacher features; give them to the loss')
        treatment = self.weights(pairs)
        share = ramped(self.weight, pairs.progress, self.ramp)
        valid_AM = pairs.positive_AM | pairs.negative_AM
        teacher_logits_AM = (pairs.teacher_similarity_AM / pairs.temperature).masked_fill_(~valid_AM, -math.inf)
        treatment.targets_AM = pairs.hard_targets_AM.lerp_(teacher_logits_AM.softmax(dim=1), share)
        return treatment


def ramped(value: float, progress: float, ramp: float) -> float:
    """`value` after a linear rise from 0 over the first `ramp` of the training."""
    return value * min(1.0, progress / ramp) if ramp > 0 else value
