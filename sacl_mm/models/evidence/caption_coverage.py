"""Evidence from the captions alone: no model, and nothing to wait for."""

from collections.abc import Sequence

import torch
from scipy.sparse import csr_matrix

from sacl_mm.functional.image_captions import ImageCaptions
from sacl_mm.functional.lexical_coverage import LexicalCoverage
from sacl_mm.functional.settings import check_count
from sacl_mm.models.evidence.base import EvidenceSource, Places
from sacl_mm.models.losses import FeaturePair
from sacl_mm.registry import MODELS


@MODELS.register_module()
class CaptionCoverage(EvidenceSource):
    """How much of a caption an image's own captions say, in [0, 1] (`LexicalCoverage`, which has the equation): 1 where the
    image's captions have all of its words, weighted by IDF.

    Args:
        columns: width of a row. Of a larger vocabulary the rare words share the last half of the columns with each other and
            with more frequent ones, and now and then count as said where they are not.
    """

    needs_captions = True

    def __init__(self, columns: int = 2048) -> None:
        super().__init__()
        check_count('columns', columns, least=2)
        self.width = columns
        self._image_of, self._text_of = Places('image_id', []), Places('text_id', [])
        self._says_NV = self._share_TV = csr_matrix((0, columns))

    def prepare(self, captions: Sequence[ImageCaptions]) -> None:
        coverage = LexicalCoverage([image.texts for image in captions])
        self._says_NV, self._share_TV = coverage.rows(self.width)
        self._image_of = Places('image_id', (image.image_id for image in captions))
        self._text_of = Places('text_id', (text_id for image in captions for text_id in image.text_ids))

    def forward(self, batch: dict) -> FeaturePair:
        samples, device = batch['data_samples'], batch['image_ids'].device
        images = self._image_of(sample.image_id for sample in samples)
        texts = self._text_of(text_id for sample in samples for text_id in sample.text_ids)
        return FeaturePair(
            torch.from_numpy(self._says_NV[images].toarray()).to(device),
            torch.from_numpy(self._share_TV[texts].toarray()).to(device),
        )
