"""A regression of similarities on evidence, added to the contrastive loss."""

from collections.abc import Sequence

import torch
from torch import nn

from sacl_mm.functional.settings import check_number
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import DerivedPolicy, NegativePolicy, agreed_evidence, evidence_names


class SimilarityRegression(DerivedPolicy):
    """Adds weight * mean_ij (cos_ij - a R_ij - b)^2 to another policy's loss. R is evidence; a and b are learned, starting at
    1 and 0.

    Args:
        base_policy: the policy of the contrastive loss.
        evidence: the name of R, or several, of which the least counts.
        weight: of the regression.
    """

    def __init__(self, base_policy: NegativePolicy, evidence: str | Sequence[str], weight: float = 20.0) -> None:
        super().__init__(base_policy)
        check_number('weight', weight, '[0, inf)')
        if any(isinstance(policy, SimilarityRegression) for policy in base_policy.modules()):
            raise ValueError('base_policy has a SimilarityRegression already, and similarities have one target')
        self.evidence = evidence_names(evidence)
        self.weight = weight
        self.scale, self.offset = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return *self.evidence, *self.base_policy.needs_evidence

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        treatment = self.base_policy(pairs)
        treatment.similarity_targets_AM = self.scale * agreed_evidence(pairs, self.evidence) + self.offset
        treatment.regression_weight = self.weight
        return treatment
