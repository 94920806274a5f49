"""Losses: small modules that take features, not models."""

from sacl_mm.models.losses.pairs import ContrastivePairs, FeaturePair, NegativeBank, PairTreatment
from sacl_mm.models.losses.policies import (
    HardNegativeNCE,
    InfoNCE,
    MomentumDistillation,
    NegativePolicy,
    OracleRemoval,
    SimilarityRegulation,
    SymmetricPolicy,
    ThresholdRemoval,
)
from sacl_mm.models.losses.sacl_loss import SACLContrastiveLoss

__all__ = [
    'ContrastivePairs',
    'FeaturePair',
    'HardNegativeNCE',
    'InfoNCE',
    'MomentumDistillation',
    'NegativeBank',
    'NegativePolicy',
    'OracleRemoval',
    'PairTreatment',
    'SACLContrastiveLoss',
    'SimilarityRegulation',
    'SymmetricPolicy',
    'ThresholdRemoval',
]
