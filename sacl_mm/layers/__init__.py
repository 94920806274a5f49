"""Attention and transformer blocks."""

from sacl_mm.layers.attention import CrossAttention, KeyValue, SelfAttention
from sacl_mm.layers.fusion_layer import FusionLayer

__all__ = ['CrossAttention', 'FusionLayer', 'KeyValue', 'SelfAttention']
