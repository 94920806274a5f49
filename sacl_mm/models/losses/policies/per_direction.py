"""One policy for each direction of the loss."""

import torch
from torch import Tensor

from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment
from sacl_mm.models.losses.policies.base import NegativePolicy, check_policy


class PerDirection(NegativePolicy):
    """Image anchors (image to text) are treated by one policy, text anchors (text to image) by the other.

    For evidence that suits one direction, and for losses that are not symmetric: CWCL (Srinivasa et al., arXiv 2309.14580) has
    soft targets for the anchors of the frozen tower and InfoNCE for the others.

    Args:
        image_policy: for image anchors and their candidate texts.
        text_policy: for text anchors and their candidate images.
    """

    def __init__(self, image_policy: NegativePolicy, text_policy: NegativePolicy) -> None:
        super().__init__()
        self.image_policy = check_policy('image_policy', image_policy)
        self.text_policy = check_policy('text_policy', text_policy)

    @property
    def needs_evidence(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.image_policy.needs_evidence, *self.text_policy.needs_evidence)))

    @property
    def needs_row_sums(self) -> bool:
        return self.image_policy.needs_row_sums or self.text_policy.needs_row_sums

    def row_scores(self, pairs: ContrastivePairs) -> Tensor:
        policy = self._of(pairs)
        return policy.row_scores(pairs) if policy.needs_row_sums else torch.zeros_like(pairs.similarity_AM)

    def forward(self, pairs: ContrastivePairs) -> PairTreatment:
        return self._of(pairs)(pairs)

    def _of(self, pairs: ContrastivePairs) -> NegativePolicy:
        return self.image_policy if pairs.anchors_are_images else self.text_policy
