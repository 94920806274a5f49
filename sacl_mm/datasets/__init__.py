"""Image-text data: where it comes from, in which order it is drawn, how it becomes tensors."""

from sacl_mm.datasets.cached_features import CachedFeatures
from sacl_mm.datasets.image_text_dataset import BrokenSampleError, ImageTextDataset
from sacl_mm.datasets.image_text_pairs import ImageTextPairs
from sacl_mm.datasets.sample_index import SampleIndex
from sacl_mm.datasets.sampler import EpochSampler
from sacl_mm.datasets.shape_world import ShapeWorld, ShapeWorldRelevance
from sacl_mm.datasets.tokenizer import WordPieceTokenizer, build_tokenizer
from sacl_mm.datasets.transforms import SampleCaption, TokenizeText

__all__ = [
    'BrokenSampleError',
    'CachedFeatures',
    'EpochSampler',
    'ImageTextDataset',
    'ImageTextPairs',
    'SampleCaption',
    'SampleIndex',
    'ShapeWorld',
    'ShapeWorldRelevance',
    'TokenizeText',
    'WordPieceTokenizer',
    'build_tokenizer',
]
