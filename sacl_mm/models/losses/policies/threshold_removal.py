"""Removal of the negatives that another policy finds too similar ("ALBEF++")."""

import math

import torch

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import DerivedPolicy, NegativePolicy


class ThresholdRemoval(DerivedPolicy):
    """Weights under a threshold become 0 (Jiang et al., ACL 2023, Tab. 1 and Sec. 4.3).

    Args:
        base_policy: the policy whose weights are thresholded.
        threshold: on w, whose mean is 1, so that it must be below 1; the paper's best is 0.2 to 0.3.
        keep_weights: True leaves the other negatives their weights, False makes them 1, as in "ALBEF++".
    """

    needs_row_sums = True

    def __init__(self, base_policy: NegativePolicy, threshold: float = 0.25, keep_weights: bool = False) -> None:
        super().__init__(base_policy)
        # Weights are 1 on average: below 1 a threshold leaves each anchor a negative, above it may leave none.
        check_number('threshold', threshold, '(0, 1)')
        if self.base_policy.needs_row_sums:
            raise ValueError(
                f'base_policy, {type(base_policy).__name__}, removes from normalised weights already: give one '
                'ThresholdRemoval only, and EvidenceRemoval around it'
            )
        self.threshold = threshold
        self.keep_weights = keep_weights

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        treatment = self.normalised_treatment(pairs)
        log_weights_AM = treatment.log_weights_AM
        if log_weights_AM is None:  # all weigh 1, which is above any threshold
            return treatment
        is_removed_AM = log_weights_AM < math.log(self.threshold)
        kept_AM = log_weights_AM if self.keep_weights else torch.zeros_like(log_weights_AM)
        treatment.log_weights_AM = kept_AM.masked_fill(is_removed_AM, -math.inf)
        return treatment
