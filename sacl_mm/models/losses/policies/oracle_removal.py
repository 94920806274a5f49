"""The upper bound: false negatives are known and left out."""

import math
from collections.abc import Callable

import torch

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy


class OracleRemoval(NegativePolicy):
    """Negatives that are known to match get weight 0, the others 1. Possible where the truth is known, as in ShapeWorld.

    Args:
        relevance: maps (image ids, text ids), 1-D integer arrays on the CPU, to a boolean (images, texts) array: is the text
            true of the image?
    """

    def __init__(self, relevance: Callable) -> None:
        super().__init__()
        if not callable(relevance):
            raise ValueError(f'relevance must be a function, or in a configuration that of one, got {relevance!r}')
        self.relevance = relevance

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        if pairs.anchors_are_images:
            matches_AM = self._matches(pairs.anchor_image_ids, pairs.candidate_text_ids)
        else:
            matches_AM = self._matches(pairs.candidate_image_ids, pairs.anchor_text_ids).t()
        return PairTreatment(torch.zeros_like(pairs.similarity_AM).masked_fill(matches_AM, -math.inf))

    def _matches(self, image_ids: torch.Tensor | None, text_ids: torch.Tensor | None) -> torch.Tensor:
        if image_ids is None or text_ids is None:
            raise ValueError('OracleRemoval needs image_ids and text_ids, of the batch and of the bank')
        # Empty slots of a bank have id -1; they are not negatives, so any answer will do.
        matches = self.relevance(image_ids.clamp(min=0).cpu().numpy(), text_ids.clamp(min=0).cpu().numpy())
        return torch.as_tensor(matches, dtype=torch.bool, device=image_ids.device)
