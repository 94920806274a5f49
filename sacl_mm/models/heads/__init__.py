"""Heads: one for each objective."""

from sacl_mm.models.heads.answer_decoder import AnswerDecoder
from sacl_mm.models.heads.cell_attribute_head import CellAttributeHead
from sacl_mm.models.heads.image_text_contrastive_head import ImageTextContrastiveHead
from sacl_mm.models.heads.masked_language_head import MaskedLanguageHead
from sacl_mm.models.heads.matching_head import MatchingHead
from sacl_mm.models.heads.pooled_head import PooledHead, ResidualHead
from sacl_mm.models.heads.two_view_contrastive_head import TwoViewContrastiveHead

__all__ = [
    'AnswerDecoder',
    'CellAttributeHead',
    'ImageTextContrastiveHead',
    'MaskedLanguageHead',
    'MatchingHead',
    'PooledHead',
    'ResidualHead',
    'TwoViewContrastiveHead',
]
