"""Image encoders of ours. Importing this imports mmpretrain's models; the registry does it."""

from sacl_mm.models.backbones.efficientnet_lite import EfficientNetLite0
from sacl_mm.models.backbones.token_reduced_vit import TokenReducedViT

__all__ = ['EfficientNetLite0', 'TokenReducedViT']
