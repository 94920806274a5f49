"""Removal of the negatives that evidence calls true."""

import math
from collections.abc import Sequence

import torch

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import DerivedPolicy, NegativePolicy, agreed_evidence, evidence_names
from sacl_mm.models.losses.policies.info_nce import InfoNCE
from sacl_mm.models.losses.policies.oracle_removal import OracleRemoval


class EvidenceRemoval(DerivedPolicy):
    """w = 0 where the evidence R >= threshold; the other negatives weigh what the base policy says.

    For evidence that is precise above a threshold. This is the elimination strategy of FNC (Huynh et al., arXiv 2011.11765),
    which is for views of images and finds the false negatives by the model's own similarities to further views of the anchor.
    An anchor without a negative left has no loss, apart from that of unequal positives.

    Args:
        base_policy: the policy of the other negatives. Their weights stay as they are: what is removed still counts where
            the base policy makes the weights 1 on average.
        evidence: the name of R, or several, of which the least counts.
        threshold: on R.
    """

    def __init__(self, base_policy: NegativePolicy, evidence: str | Sequence[str], threshold: float) -> None:
        super().__init__(base_policy)
        self.evidence = evidence_names(evidence)
        check_number('threshold', threshold, '(-inf, inf)')
        self.threshold = threshold

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return *self.evidence, *self.base_policy.needs_evidence

    @property
    def needs_row_sums(self) -> bool:
        return not _weighs_all_or_nothing(self.base_policy)

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        treatment = self.normalised_treatment(pairs)
        log_weights_AM = treatment.log_weights_AM
        if log_weights_AM is None:
            log_weights_AM = torch.zeros_like(pairs.similarity_AM)
        is_removed_AM = agreed_evidence(pairs, self.evidence) >= self.threshold
        treatment.log_weights_AM = log_weights_AM.masked_fill(is_removed_AM, -math.inf)
        return treatment


def _weighs_all_or_nothing(policy: NegativePolicy) -> bool:
    """Then its weights need no normalising, which spares a pass."""
    is_removal_of_such = type(policy) is EvidenceRemoval and not policy.needs_row_sums
    return is_removal_of_such or type(policy) in (InfoNCE, OracleRemoval)
