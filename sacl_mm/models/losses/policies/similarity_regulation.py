"""SACL's own policy: negatives that resemble the anchor are pushed away less."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sacl_mm.functional.settings import check_number, first_and_last
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy, agreed_evidence, evidence_names, linear

# exp(60) is finite in float32, also times delta; larger exponents would not change the weights.
_LARGEST_EXPONENT = 60.0


class SimilarityRegulation(NegativePolicy):
    r"""Contrastive weights from cross-modal similarity (Jiang et al., ACL 2023, Eq. 6-9).

    s_am = alpha * exp(sim_ref / tau_s) + (1 - alpha) * exp(sim_cur / tau_s),  w_am = Norm(delta / s_am)

    sim_ref is evidence, by default a frozen model's unit features. Norm makes an anchor's negatives weigh 1 on average
    (condition 2), and w falls as s rises (condition 1).

    Args:
        norm: 'mean' divides by the mean (delta then cancels); 'softmax' is N_neg * softmax(delta / s).
        similarity_temperature: tau_s. The paper prints no temperature (tau_s = 1), under which no weight can fall below
            e^-2 and almost nothing is regulated; docs/design.md says what the default rests on.
        delta: scale of the softmax norm; with the mean norm it has no effect and must stay 1.
        alpha: share of the frozen reference model's similarity, or (first, last) for a linear schedule over the training: (1,
            0) trusts the reference model at first and the model itself in the end ("progressively refined").
        evidence: the name of sim_ref, or several, of which the least counts. Captions' similarity as weights is
            `alpha=1, evidence='captions'`.
    """

    def __init__(
        self,
        norm: str = 'mean',
        similarity_temperature: float = 0.3,
        delta: float = 1.0,
        alpha: float | Sequence[float] = 0.0,
        evidence: str | Sequence[str] = 'reference',
    ) -> None:
        super().__init__()
        if norm not in ('mean', 'softmax'):
            raise ValueError(f"norm must be 'mean' or 'softmax', got {norm!r}")
        check_number('similarity_temperature', similarity_temperature, '(0, inf)')
        check_number('delta', delta, '(0, inf)')
        if norm == 'mean' and delta != 1:
            raise ValueError(f"delta cancels under norm='mean': leave it at 1 (got {delta}) or use norm='softmax'")
        ends = first_and_last('alpha', alpha, '[0, 1]')
        names = evidence_names(evidence)
        if max(ends) == 0 and names != ('reference',):
            raise ValueError(f'evidence={evidence!r} is not read under alpha=0: set alpha, 1 for the evidence alone')
        self.norm = norm
        self.similarity_temperature = similarity_temperature
        self.delta = delta
        self.alpha_ends = ends
        self.evidence = names

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return self.evidence if max(self.alpha_ends) > 0 else ()

    def alpha(self, progress: float) -> float:
        return linear(self.alpha_ends, progress)

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        dissimilarity_AM = self._negated_log_similarity(pairs)
        if self.norm == 'softmax':
            dissimilarity_AM.clamp_(max=_LARGEST_EXPONENT).exp_().mul_(self.delta)
        return PairTreatment(dissimilarity_AM, normalise=True)

    def _negated_log_similarity(self, pairs: ContrastivePairs) -> Tensor:
        """-log s, a new tensor, computed in log space so that a small tau_s cannot overflow."""
        alpha = self.alpha(pairs.progress)
        if alpha == 0:
            return pairs.similarity_AM * (-1 / self.similarity_temperature)
        reference_AM = agreed_evidence(pairs, self.evidence) / self.similarity_temperature
        if alpha == 1:
            return reference_AM.neg_()
        current_AM = pairs.similarity_AM / self.similarity_temperature
        return torch.logaddexp(reference_AM + math.log(alpha), current_AM + math.log(1 - alpha)).neg_()
