"""Whether a policy answers with weights of pairs and nothing else."""

from sacl_mm.models.losses.pairs import PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy
from sacl_mm.models.losses.policies.similarity_regression import SimilarityRegression
from sacl_mm.models.losses.policies.soft_targets import SoftTargets

_SOFT, _REGRESSION = 'soft targets', 'a regression'


def besides_weights(policy: NegativePolicy) -> str | None:
    """What a policy of this library has besides; None for nothing."""
    parts = list(policy.modules())
    if any(isinstance(part, SoftTargets) for part in parts):
        return _SOFT
    if any(isinstance(part, SimilarityRegression) for part in parts):
        return _REGRESSION
    return 'removal from normalised weights' if policy.needs_row_sums else None


def answered_besides_weights(treatment: PairTreatment) -> str | None:
    """What an answer has besides, for policies of others; None for nothing."""
    if treatment.soft_target_scores_AM is not None:
        return _SOFT
    if treatment.similarity_targets_AM is not None:
        return _REGRESSION
    return None if treatment.anchor_weights_A is None else 'weights of anchors'
