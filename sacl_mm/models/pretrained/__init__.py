"""Pre-trained vision-language models of other libraries as both towers."""

from sacl_mm.models.pretrained.towers import PretrainedTowers

__all__ = ['PretrainedTowers']
