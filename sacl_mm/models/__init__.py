"""Models and their parts. A name is imported when it is asked for: `sacl_mm.models.losses` needs torch alone."""

from importlib import import_module
from typing import Any

__all__ = [
    'AnswerDecoder',
    'BertTextEncoder',
    'CaptionCoverage',
    'DualEncoder',
    'FeatureTowers',
    'FusionEncoder',
    'ImagePairReasoning',
    'ImageSimilarity',
    'ImageTextPreprocessor',
    'ImageTextRetrieval',
    'ImageTokenNeck',
    'MaskedLanguageHead',
    'MatchingHead',
    'PairedFusionEncoder',
    'PretrainedTowers',
    'SACLContrastiveLoss',
    'SACLPretrain',
    'SentenceSimilarity',
    'TextAssignment',
    'TwoTower',
    'VisualQuestionAnswering',
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module('sacl_mm.models.registered'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
