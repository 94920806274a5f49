"""False-negative policies: one interface (`base.py`), one policy a file."""

from sacl_mm.models.losses.policies.base import NegativePolicy
from sacl_mm.models.losses.policies.evidence_removal import EvidenceRemoval
from sacl_mm.models.losses.policies.hard_negatives import HardNegativeNCE
from sacl_mm.models.losses.policies.info_nce import InfoNCE
from sacl_mm.models.losses.policies.momentum_distillation import MomentumDistillation
from sacl_mm.models.losses.policies.oracle_removal import OracleRemoval
from sacl_mm.models.losses.policies.per_direction import PerDirection
from sacl_mm.models.losses.policies.similarity_regression import SimilarityRegression
from sacl_mm.models.losses.policies.similarity_regulation import SimilarityRegulation
from sacl_mm.models.losses.policies.soft_targets import SoftTargets
from sacl_mm.models.losses.policies.threshold_removal import ThresholdRemoval
from sacl_mm.models.losses.policies.weight_product import WeightProduct

__all__ = [
    'EvidenceRemoval',
    'HardNegativeNCE',
    'InfoNCE',
    'MomentumDistillation',
    'NegativePolicy',
    'OracleRemoval',
    'PerDirection',
    'SimilarityRegression',
    'SimilarityRegulation',
    'SoftTargets',
    'ThresholdRemoval',
    'WeightProduct',
]
