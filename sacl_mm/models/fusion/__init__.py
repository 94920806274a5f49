"""Fusion of image and text tokens."""

from sacl_mm.models.fusion.fusion_encoder import FusionEncoder
from sacl_mm.models.fusion.paired_fusion_encoder import PairedFusionEncoder

__all__ = ['FusionEncoder', 'PairedFusionEncoder']
