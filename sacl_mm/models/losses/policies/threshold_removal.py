"""Removal of the negatives that another policy finds too similar ("ALBEF++")."""

import math

import torch

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy, build_policy
from sacl_mm.registry import MODELS


@MODELS.register_module()
class ThresholdRemoval(NegativePolicy):
    """Weights under a threshold become 0 (Jiang et al., ACL 2023, Tab. 1 and Sec. 4.3).

    Args:
        weights: the policy whose weights are thresholded (a config or a module).
        threshold: on w, whose mean is 1, so that it must be below 1; the paper's best is 0.2 to 0.3.
        keep_weights: True leaves the other negatives their weights, False makes them 1, as in "ALBEF++".
    """

    def __init__(self, weights: dict | NegativePolicy, threshold: float = 0.25, keep_weights: bool = False) -> None:
        super().__init__()
        # Weights are 1 on average: below 1 a threshold leaves each anchor a negative, above it may leave none.
        check_number('threshold', threshold, '(0, 1)')
        self.weights = build_policy('weights', weights)
        self.threshold = threshold
        self.keep_weights = keep_weights

    @property
    def needs_reference(self) -> bool:
        return self.weights.needs_reference

    @property
    def needs_teacher(self) -> bool:
        return self.weights.needs_teacher

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        treatment = self.weights(pairs)
        log_weights_AM = treatment.log_weights_AM
        removed_AM = pairs.negative_AM & (log_weights_AM < math.log(self.threshold))
        kept_AM = log_weights_AM if self.keep_weights else torch.zeros_like(log_weights_AM)
        treatment.log_weights_AM = kept_AM.masked_fill(removed_AM, -math.inf)
        return treatment
