"""What a policy sees and what it answers. Shapes: A anchors, M candidates."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class FeaturePair(NamedTuple):
    """Image and text features, row i of one belonging to row i of the other; each (B, D)."""

    image: Tensor
    text: Tensor


@dataclass
class NegativeBank:
    """Queued pairs that serve as further candidates (K of them); the reference features only where a policy needs them.

    `image_ids` of -1 mark empty slots, which take no part in the loss.
    """

    features: FeaturePair
    image_ids: Tensor
    text_ids: Tensor | None = None
    reference: FeaturePair | None = None


@dataclass
class ContrastivePairs:
    """All pairs of one direction. Similarities are cosines and carry no gradient."""

    similarity_AM: Tensor
    temperature: Tensor
    positive_AM: Tensor
    negative_AM: Tensor
    progress: float
    """Share of the training that is done, in [0, 1]: what schedules are a function of."""
    valid_AM: Tensor | None = None
    """Which candidates take part at all, where a bank has empty slots; None: all do."""
    reference_similarity_AM: Tensor | None = None
    teacher_similarity_AM: Tensor | None = None
    anchors_are_images: bool = True
    anchor_image_ids: Tensor | None = None
    anchor_text_ids: Tensor | None = None
    candidate_image_ids: Tensor | None = None
    candidate_text_ids: Tensor | None = None

    @property
    def hard_targets_AM(self) -> Tensor:
        """1 / (number of the anchor's positives) at each of them, in a tensor of its own."""
        positive_AM = self.positive_AM.to(self.similarity_AM.dtype)
        return positive_AM.div_(positive_AM.sum(dim=1, keepdim=True))


@dataclass
class PairTreatment:
    """A policy's answer; the loss is cross entropy of `similarity / temperature + log_weights` with the targets.

    log_weights_AM: log w, 0 for positives, -inf for a removed negative.
    targets_AM: soft targets, rows sum to 1; None for the positives.
    anchor_weights_A: weight of each anchor's loss in the mean; None for 1.
    """

    log_weights_AM: Tensor
    targets_AM: Tensor | None = None
    anchor_weights_A: Tensor | None = None
