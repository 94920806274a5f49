"""InfoNCE: every negative counts the same."""

import torch

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy
from sacl_mm.registry import MODELS


@MODELS.register_module()
class InfoNCE(NegativePolicy):
    """w = 1: plain cross entropy over the candidates (van den Oord et al., arXiv 1807.03748)."""

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        return PairTreatment(torch.zeros_like(pairs.similarity_AM))
