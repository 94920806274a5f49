"""Soft targets from evidence: a negative that may be true gets a share of the target."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sacl_mm.functional.settings import check_number, first_and_last
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import DerivedPolicy, NegativePolicy, agreed_evidence, evidence_names, linear


class SoftTargets(DerivedPolicy):
    """targets = (1 - weight) * hard + weight * q,  q_ij = softmax_j(R_ij / temperature), R evidence.

    For graded evidence, such as captions' similarity: the model learns to rank candidates by it, and not only to leave some
    alone. Published targets as settings, and what differs:

    * X-CLR (Sobal et al., arXiv 2407.18134): `weight=1, temperature=0.1`, R the cosine of captions' sentence embeddings. It
      contrasts augmented views of images with each other, not images with texts.
    * CWCL (Srinivasa et al., arXiv 2309.14580): `weight=1, temperature=None`, R = (1 + cos) / 2 of the frozen tower's features
      x, which is the product of the rows [x, 1] / sqrt(2). It treats the anchors of the frozen tower alone so, and the others
      as InfoNCE does: see `PerDirection`.
    * SoftCLIP (Gao et al., arXiv 2303.17561): the same mixture, R the self-similarity of the objects that a detector finds. A
      second term of its loss, on the negatives alone, is not here.
    * FFF (Bulat et al., arXiv 2405.10286) takes all pairs above a threshold for positives: `least`, and a temperature so large
      that all share equally. Its loss is a sigmoid for each pair, so its positives do not share one target.

    A negative that `base_policy` removes keeps its soft target.

    Args:
        base_policy: the policy that weighs the negatives.
        evidence: the name of R, or several, of which the least counts.
        weight: the share of q, in [0, 1], or (first, last) for a linear schedule over the training.
        temperature: of the softmax. None: q is proportional to max(R, 0), and an anchor with no R > 0 keeps its hard target.
        least: negatives with R below it get no soft target; positives always do.
    """

    def __init__(
        self,
        base_policy: NegativePolicy,
        evidence: str | Sequence[str],
        weight: float | Sequence[float] = 0.3,
        temperature: float | None = 0.15,
        least: float | None = None,
    ) -> None:
        super().__init__(base_policy)
        self.evidence = evidence_names(evidence)
        self.weight_ends = first_and_last('weight', weight, '[0, 1]')
        if temperature is not None:
            check_number('temperature', temperature, '(0, inf)')
        if least is not None:
            check_number('least', least, '(-inf, inf)')
        if any(isinstance(policy, SoftTargets) for policy in self.base_policy.modules()):
            raise ValueError('base_policy has soft targets already, and a candidate has one target')
        self.temperature = temperature
        self.least = least

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return *self.evidence, *self.base_policy.needs_evidence

    def share(self, progress: float) -> float:
        """The weight of q at this point of the training."""
        return linear(self.weight_ends, progress)

    def scores(self, pairs: ContrastivePairs) -> Tensor:
        """log q (A, M), up to a constant of each anchor."""
        evidence_AM = agreed_evidence(pairs, self.evidence)
        if self.temperature is not None:
            scores_AM = evidence_AM / self.temperature
        else:
            # Next to nothing for positives: they are all that an anchor has if no R > 0, and q is not 0 / 0.
            floor_AM = pairs.positive_AM.to(evidence_AM.dtype) * torch.finfo(evidence_AM.dtype).tiny
            scores_AM = torch.maximum(evidence_AM, floor_AM).log_()
        if self.least is not None:
            scores_AM.masked_fill_(pairs.negative_AM & (evidence_AM < self.least), -math.inf)
        return scores_AM

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        treatment = self.base_policy(pairs)
        treatment.soft_target_scores_AM = self.scores(pairs)
        treatment.soft_target_share = self.share(pairs.progress)
        return treatment
