"""The loss's inputs, what a policy sees of them, and what it answers. Shapes: A anchors, M candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from torch import Tensor


class FeaturePair(NamedTuple):
    """Rows of images and of texts; row i of one belongs to row i of the other."""

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
    """By name, as the loss takes it for the batch."""


class Evidence(dict[str, Tensor]):
    """The evidence of a block, (A, M) each, by name."""

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
    """Inner products of the evidence in the policy's `needs_evidence`, by name; ValueError if the loss was not given one."""
    progress: float = 0.0
    """Fraction of the training that is done, in [0, 1], for schedules."""
    anchors_are_images: bool = True
    """The direction: True for image to text."""
    may_have_positives: bool = True
    may_have_empty_slots: bool = True
    """As `may_have_positives`: False only where that is known without waiting for a GPU."""
    log_norm_2A1: tuple[Tensor, Tensor] | None = None
    """For `normalised`; two terms, as the first may be so large that the second would be rounded away in their sum."""

    @property
    def logits_AM(self) -> Tensor:
        """Similarity / temperature, a new tensor."""
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
        """The log-weights shifted so that an anchor's negatives, in all blocks together, weigh 1 on average. They must be the
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
    """A policy's answer for a block. The defaults are InfoNCE.

    `log_weights_AM` is ignored at non-negatives, and everything at empty slots. Gradients flow through `similarity_targets_AM`
    only, to the policy's own parameters. Flags and shares must be equal in all blocks of a direction, `anchor_weights_A`
    in all blocks of an anchor.
    """

    log_weights_AM: Tensor | None = None
    """log w of negatives, -inf to remove one; None: all weights are 1."""
    normalise: bool = False
    """Whether the loss shifts an anchor's log-weights so that its negatives weigh 1 on average (condition 2)."""
    soft_target_scores_AM: Tensor | None = None
    """Targets are (1 - share) * hard + share * softmax(scores) over an anchor's candidates; its positives share the hard
    target equally."""
    soft_target_share: float = 0.0
    anchor_weights_A: Tensor | None = None
    """Weight of each anchor's loss in the mean; None: 1."""
    similarity_targets_AM: Tensor | None = None
    """Adds regression_weight * mean over pairs of (similarity - target)^2."""
    regression_weight: float = 0.0
