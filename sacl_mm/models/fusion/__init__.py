"""Fusion of image and text tokens."""

from sacl_mm.models.fusion.fusion_encoder import FusionEncoder

__all__ = ['FusionEncoder']
