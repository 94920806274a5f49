"""InfoNCE: every negative counts the same."""

from sacl_mm.models.losses.pairs import ContrastivePairs
from sacl_mm.models.losses.policies.base import SymmetricPolicy
from sacl_mm.registry import MODELS


@MODELS.register_module()
class InfoNCE(SymmetricPolicy):
    """w = 1: plain cross entropy over the candidates (van den Oord et al., arXiv 1807.03748)."""

    def raw_log_weights(self, pairs: ContrastivePairs) -> None:
        return None
