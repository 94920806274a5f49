"""Models and their parts."""

from sacl_mm.models.data_preprocessor import ImageTextPreprocessor
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.models.feature_towers import FeaturePreprocessor, FeatureTowers
from sacl_mm.models.fusion import FusionEncoder, PairedFusionEncoder
from sacl_mm.models.heads import AnswerDecoder, MaskedLanguageHead, MatchingHead
from sacl_mm.models.losses import SACLContrastiveLoss
from sacl_mm.models.necks import ImageTokenNeck
from sacl_mm.models.nlvr2 import ImagePairReasoning
from sacl_mm.models.pretrain import SACLPretrain
from sacl_mm.models.retrieval import ImageTextRetrieval
from sacl_mm.models.text_assignment import TextAssignment
from sacl_mm.models.text_encoders import BertTextEncoder
from sacl_mm.models.two_tower import TwoTower
from sacl_mm.models.vqa import VisualQuestionAnswering

__all__ = [
    'AnswerDecoder',
    'BertTextEncoder',
    'DualEncoder',
    'FeaturePreprocessor',
    'FeatureTowers',
    'FusionEncoder',
    'ImagePairReasoning',
    'ImageTextPreprocessor',
    'ImageTextRetrieval',
    'ImageTokenNeck',
    'MaskedLanguageHead',
    'MatchingHead',
    'PairedFusionEncoder',
    'SACLContrastiveLoss',
    'SACLPretrain',
    'TextAssignment',
    'TwoTower',
    'VisualQuestionAnswering',
]
