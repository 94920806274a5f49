"""Transforms that mmcv and mmpretrain do not have."""

from sacl_mm.datasets.transforms.load_grid import LoadImageGrid, LoadImageTokens
from sacl_mm.datasets.transforms.load_image import LoadImage
from sacl_mm.datasets.transforms.pretrained_image import PreparePretrainedImage
from sacl_mm.datasets.transforms.text import SampleCaption, TokenizeText

__all__ = ['LoadImage', 'LoadImageGrid', 'LoadImageTokens', 'PreparePretrainedImage', 'SampleCaption', 'TokenizeText']
