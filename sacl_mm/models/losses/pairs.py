"""What goes into the loss besides features, what a policy sees, and what it answers. Shapes: A anchors, M candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from torch import Tensor


class FeaturePair(NamedTuple):
    """Of images and of texts, row i of one belonging to row i of the other."""

    image: Tensor
    text: Tensor


@dataclass
class NegativeBank:
    """Queued pairs that serve as further candidates (K of them).

    An image id of -1 marks an empty slot, which takes no part in the loss.
    """

    features: FeaturePair
    image_ids: Tensor
    text_ids: Tensor | None = None
    evidence: Mapping[str, FeaturePair] = field(default_factory=dict)
    """By name, as the loss is given it for the batch."""


class Evidence(dict[str, Tensor]):
    """Of a block, by name."""

    def __missing__(self, name: str) -> Tensor:
        raise ValueError(
            f"the policy needs the evidence '{name}': give the loss evidence={{'{name}': FeaturePair(image, text)}}"
        )


@dataclass
class ContrastivePairs:
    """A block of one direction's pairs, as a policy sees it: some anchors and some of their candidates."""

    similarity_AM: Tensor
    """Cosines, without gradient."""
    temperature: Tensor
    anchor_image_ids: Tensor
    candidate_image_ids: Tensor
    """-1 in an empty slot of a bank."""
    anchor_text_ids: Tensor | None = None
    candidate_text_ids: Tensor | None = None
    evidence_AM: Evidence = field(default_factory=Evidence)
    """By name, inner products of what the loss was given as evidence; those in the policy's `needs_evidence`. ValueError for
    what it was not given."""
    progress: float = 0.0
    """Share of the training that is done, in [0, 1]: what schedules are a function of."""
    anchors_are_images: bool = True
    """The direction."""
    may_have_positives: bool = True
    may_have_empty_slots: bool = True
    log_norm_2A1: tuple[Tensor, Tensor] | None = None
    """For `normalised`; two numbers, because the first may be so large that the second would be rounded away in the sum."""

    @property
    def logits_AM(self) -> Tensor:
        """Similarity / temperature, in a tensor of its own."""
        return self.similarity_AM / self.temperature

    @cached_property
    def positive_AM(self) -> Tensor:
        return self.anchor_image_ids[:, None] == self.candidate_image_ids

    @cached_property
    def negative_AM(self) -> Tensor:
        """Neither positive nor an empty slot."""
        return ~self.positive_AM & (self.candidate_image_ids >= 0)

    @property
    def are_all_negative(self) -> bool:
        return not (self.may_have_positives or self.may_have_empty_slots)

    def normalised(self, log_weights_AM: Tensor) -> Tensor:
        """Log-weights such that all of an anchor's negatives, in this block and others, weigh 1 on average. They must be the
        `row_scores` of a policy with `needs_row_sums`."""
        assert self.log_norm_2A1 is not None
        largest_A1, log_mean_A1 = self.log_norm_2A1
        return log_weights_AM - largest_A1 - log_mean_A1

    def turned(self) -> 'ContrastivePairs':
        """The same pairs in the other direction: what were candidates are anchors."""
        return ContrastivePairs(
            self.similarity_AM.t(),
            self.temperature,
            self.candidate_image_ids,
            self.anchor_image_ids,
            self.candidate_text_ids,
            self.anchor_text_ids,
            Evidence((name, evidence_AM.t()) for name, evidence_AM in self.evidence_AM.items()),
            self.progress,
            not self.anchors_are_images,
            self.may_have_positives,
            self.may_have_empty_slots,
        )


@dataclass
class PairTreatment:
    """A policy's answer to a block; what stays at its default is done as in InfoNCE.

    Entries at pairs that are no negatives count for nothing in `log_weights_AM`, those at empty slots nowhere. Only
    `similarity_targets_AM` sends gradients, to the policy's own parameters. Flags and shares are the same in all blocks,
    `anchor_weights_A` in all blocks of an anchor.
    """

    log_weights_AM: Tensor | None = None
    """log w of negatives, -inf to remove one; None: all weigh 1."""
    normalise: bool = False
    """Whether the loss shifts an anchor's log-weights so that its negatives weigh 1 on average (condition 2)."""
    soft_target_scores_AM: Tensor | None = None
    """Targets are (1 - share) * hard + share * softmax(scores) over an anchor's candidates; hard targets are equal shares for
    its positives."""
    soft_target_share: float = 0.0
    anchor_weights_A: Tensor | None = None
    """Weight of each anchor's loss in the mean; None: 1."""
    similarity_targets_AM: Tensor | None = None
    """Adds regression_weight * mean over pairs of (similarity - target)^2."""
    regression_weight: float = 0.0
