"""The opposite of regulation: similar negatives are pushed away more."""

from sacl_mm.functional.contrastive import normalise_log_weights_
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy
from sacl_mm.registry import MODELS


@MODELS.register_module()
class HardNegativeNCE(NegativePolicy):
    """HN-NCE (Radenovic et al., arXiv 2301.02280): w = N_neg * softmax(beta * z) over an anchor's negatives.

    Args:
        beta: how strongly weights follow the logits z = cos / tau; 0 is InfoNCE.
    """

    def __init__(self, beta: float = 0.25) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        raw_AM = self.beta * pairs.similarity_AM / pairs.temperature
        return PairTreatment(normalise_log_weights_(raw_AM, pairs.negative_AM))
