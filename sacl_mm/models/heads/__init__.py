"""Heads of the pre-training objectives."""

from sacl_mm.models.heads.masked_language_head import MaskedLanguageHead
from sacl_mm.models.heads.matching_head import MatchingHead

__all__ = ['MaskedLanguageHead', 'MatchingHead']
