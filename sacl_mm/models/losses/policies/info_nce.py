"""InfoNCE: every negative counts the same."""

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy


class InfoNCE(NegativePolicy):
    """w = 1: plain cross entropy over the candidates (van den Oord et al., arXiv 1807.03748)."""

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        return PairTreatment()
