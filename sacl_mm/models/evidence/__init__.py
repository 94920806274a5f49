"""What a policy may know of a pair besides the model's own similarity; one source a file."""

from sacl_mm.models.evidence.base import EvidenceSource
from sacl_mm.models.evidence.caption_coverage import CaptionCoverage
from sacl_mm.models.evidence.image_similarity import ImageSimilarity
from sacl_mm.models.evidence.sentence_similarity import SentenceSimilarity

__all__ = ['CaptionCoverage', 'EvidenceSource', 'ImageSimilarity', 'SentenceSimilarity']
