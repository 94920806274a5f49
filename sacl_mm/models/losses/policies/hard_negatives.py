"""The opposite of regulation: similar negatives are pushed away more."""

from torch import Tensor

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs
from sacl_mm.models.losses.policies.base import SymmetricPolicy
from sacl_mm.registry import MODELS


@MODELS.register_module()
class HardNegativeNCE(SymmetricPolicy):
    """HN-NCE (Radenovic et al., arXiv 2301.02280): w = N_neg * softmax(beta * z) over an anchor's negatives.

    Args:
        beta: how strongly weights follow the logits z = cos / tau; 0 is InfoNCE.
    """

    def __init__(self, beta: float = 0.25) -> None:
        super().__init__()
        check_number('beta', beta, '[0, inf)')
        self.beta = beta

    def raw_log_weights(self, pairs: ContrastivePairs) -> Tensor:
        return pairs.similarity_AM * (self.beta / pairs.temperature)
