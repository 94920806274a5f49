"""The opposite of regulation: similar negatives are pushed away more."""

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy


class HardNegativeNCE(NegativePolicy):
    """HN-NCE (Radenovic et al., arXiv 2301.02280): w = N_neg * softmax(beta * z) over an anchor's negatives.

    Args:
        beta: how strongly weights follow the logits z = cos / tau; 0 is InfoNCE.
    """

    def __init__(self, beta: float = 0.25) -> None:
        super().__init__()
        check_number('beta', beta, '[0, inf)')
        self.beta = beta

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        return PairTreatment(pairs.similarity_AM * (self.beta / pairs.temperature), normalise=True)
