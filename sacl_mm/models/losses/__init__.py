"""Losses: small modules that take features, not models. They need torch alone."""

from sacl_mm.models.losses.pairs import ContrastivePairs, FeaturePair, NegativeBank, PairTreatment
from sacl_mm.models.losses.policies import (
    EvidenceRemoval,
    HardNegativeNCE,
    InfoNCE,
    MomentumDistillation,
    NegativePolicy,
    OracleRemoval,
    PerDirection,
    SimilarityRegression,
    SimilarityRegulation,
    SoftTargets,
    ThresholdRemoval,
    WeightProduct,
)
from sacl_mm.models.losses.sacl_loss import SACLContrastiveLoss

__all__ = [
    'ContrastivePairs',
    'EvidenceRemoval',
    'FeaturePair',
    'HardNegativeNCE',
    'InfoNCE',
    'MomentumDistillation',
    'NegativeBank',
    'NegativePolicy',
    'OracleRemoval',
    'PairTreatment',
    'PerDirection',
    'SACLContrastiveLoss',
    'SimilarityRegression',
    'SimilarityRegulation',
    'SoftTargets',
    'ThresholdRemoval',
    'WeightProduct',
]
