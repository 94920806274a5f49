"""Necks between an image backbone and the rest of a model."""

from sacl_mm.models.necks.first_token_neck import FirstTokenNeck
from sacl_mm.models.necks.image_token_neck import ImageTokenNeck
from sacl_mm.models.necks.token_reduction_neck import TokenReductionNeck

__all__ = ['FirstTokenNeck', 'ImageTokenNeck', 'TokenReductionNeck']
