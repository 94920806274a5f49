"""Attention and transformer blocks."""

from sacl_mm.layers.attention import CrossAttention, KeyValue, SelfAttention
from sacl_mm.layers.fusion_layer import FusionLayer
from sacl_mm.layers.quick_gelu import QuickGELU

__all__ = ['CrossAttention', 'FusionLayer', 'KeyValue', 'QuickGELU', 'SelfAttention']
