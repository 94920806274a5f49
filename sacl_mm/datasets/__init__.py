"""Image-text data: reading files, the order of samples, transforms to tensors."""

from sacl_mm.datasets.cached_features import CachedFeatures
from sacl_mm.datasets.coco_ids import coco_ids
from sacl_mm.datasets.image_text_dataset import ImageTextDataset
from sacl_mm.datasets.image_text_pairs import ImageTextPairs
from sacl_mm.datasets.nlvr2 import NLVR2Pairs
from sacl_mm.datasets.pretrained_tokenizer import PretrainedTokenizer
from sacl_mm.datasets.sampler import EpochSampler, SampleIndex
from sacl_mm.datasets.shape_world import (
    ShapeWorld,
    ShapeWorldObjects,
    ShapeWorldPairs,
    ShapeWorldQuestions,
    ShapeWorldRelevance,
)
from sacl_mm.datasets.tokenizer import WordPieceTokenizer, build_tokenizer
from sacl_mm.datasets.transforms import (
    LoadImage,
    LoadImageGrid,
    LoadImageTokens,
    PreparePretrainedImage,
    SampleCaption,
    TokenizeText,
)
from sacl_mm.datasets.visual_questions import VisualQuestions
from sacl_mm.user_error import BrokenSampleError

__all__ = [
    'BrokenSampleError',
    'CachedFeatures',
    'EpochSampler',
    'ImageTextDataset',
    'ImageTextPairs',
    'LoadImage',
    'LoadImageGrid',
    'LoadImageTokens',
    'NLVR2Pairs',
    'PreparePretrainedImage',
    'PretrainedTokenizer',
    'SampleCaption',
    'SampleIndex',
    'ShapeWorld',
    'ShapeWorldObjects',
    'ShapeWorldPairs',
    'ShapeWorldQuestions',
    'ShapeWorldRelevance',
    'TokenizeText',
    'VisualQuestions',
    'WordPieceTokenizer',
    'build_tokenizer',
    'coco_ids',
]
