"""Imports all models and their parts, which registers them with MMEngine.

Losses and policies need torch alone and know no registry, so this file registers them: all that `losses.__all__` names.
"""

# ruff: noqa: F401 (what registers itself when it is imported)

import functools
from collections.abc import Callable
from typing import Any

from mmengine.registry import Registry

from sacl_mm.models import losses
from sacl_mm.models.data_preprocessor import ImageTextPreprocessor
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.models.evidence import CaptionCoverage, ImageSimilarity, SentenceSimilarity
from sacl_mm.models.feature_towers import FeatureTowers
from sacl_mm.models.fusion import FusionEncoder, PairedFusionEncoder
from sacl_mm.models.heads import AnswerDecoder, MaskedLanguageHead, MatchingHead
from sacl_mm.models.losses import NegativePolicy, SACLContrastiveLoss
from sacl_mm.models.necks import ImageTokenNeck
from sacl_mm.models.nlvr2 import ImagePairReasoning
from sacl_mm.models.pretrain import SACLPretrain
from sacl_mm.models.pretrained import PretrainedTowers
from sacl_mm.models.retrieval import ImageTextRetrieval
from sacl_mm.models.text_assignment import TextAssignment
from sacl_mm.models.text_encoders import BertTextEncoder
from sacl_mm.models.two_tower import TwoTower
from sacl_mm.models.vqa import VisualQuestionAnswering
from sacl_mm.registry import MODELS, TASK_UTILS

# Arguments of losses and policies that may be configurations, or lists of them, and the registries that build them.
_BUILT_BY = dict.fromkeys(('policy', 'base_policy', 'image_policy', 'text_policy', 'policies'), MODELS)
_BUILT_BY['relevance'] = TASK_UTILS


def _built(value: Any, registry: Registry) -> Any:
    if isinstance(value, (list, tuple)):
        return [_built(part, registry) for part in value]
    return registry.build(dict(value, _scope_='sacl_mm')) if isinstance(value, dict) else value


def _built_from_config(part: type) -> Callable:
    @functools.wraps(part, updated=())
    def build(**options: Any) -> object:
        for name, registry in _BUILT_BY.items():
            if name in options:
                options[name] = _built(options[name], registry)
        return part(**options)

    return build


for _part in (getattr(losses, name) for name in losses.__all__):
    if _part is SACLContrastiveLoss or (issubclass(_part, NegativePolicy) and _part is not NegativePolicy):
        MODELS.register_module(name=_part.__name__, module=_built_from_config(_part))
