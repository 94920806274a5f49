"""The loss and its gradient from blocks of similarities, anchors x candidates: memory grows with the batch and not with its
square (as in FlashAttention, arXiv 2205.14135, and Inf-CL, arXiv 2410.17243).

A first pass over the blocks accumulates sums, a second one the gradient. Where the batch is its own candidates, a block serves
both directions: its rows are anchors, and so are its columns.

Shapes: A anchors, M candidates, R and C of them in a block, D features.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sacl_mm.models.losses.anchor_sums import AnchorSums
from sacl_mm.models.losses.pairs import ContrastivePairs, Evidence
from sacl_mm.models.losses.policies.base import NegativePolicy
from sacl_mm.models.losses.side import Side, count_positives


class BlockwiseContrast:
    """All pairs of a batch, in both directions.

    Args:
        images, texts: the anchors.
        candidate_images, candidate_texts: those of the batch (gathered from all processes, or from a momentum encoder;
            `images` and `texts` themselves on one process), then the bank's.
        block_pairs: R * C, approximately.
    """

    def __init__(
        self,
        images: Side,
        texts: Side,
        candidate_images: list[Side],
        candidate_texts: list[Side],
        policy: NegativePolicy,
        temperature: Tensor,
        progress: float,
        block_pairs: int,
    ) -> None:
        self.images, self.texts, self.policy = images, texts, policy
        self.temperature, self.progress, self.block_pairs = temperature, progress, block_pairs
        images.sums = self.image_sums = AnchorSums.start(*count_positives(images, candidate_texts))
        texts.sums = self.text_sums = AnchorSums.start(*count_positives(texts, candidate_images))
        self.candidate_images, self.candidate_texts = candidate_images, candidate_texts

    @property
    def sides(self) -> list[Side]:
        """All sides, each once."""
        sides = (self.images, self.texts, *self.candidate_images, *self.candidate_texts)
        return list({id(side): side for side in sides}.values())

    def blocks(self) -> Iterator[tuple[Side, Side, ContrastivePairs]]:
        """Yields the rows and columns of each block, and their pairs with the rows as anchors."""
        products = [(self.images, side) for side in self.candidate_texts]
        products += [(self.texts, side) for side in self.candidate_images if side is not self.images]
        for anchors, candidates in products:
            rows, columns = block_shape(len(anchors), len(candidates), self.block_pairs)
            for row_side in (anchors.rows(part) for part in parts(len(anchors), rows)):
                for column_side in (candidates.rows(part) for part in parts(len(candidates), columns)):
                    yield row_side, column_side, self.compare(row_side, column_side, anchors is self.images)

    def compare(self, anchors: Side, candidates: Side, anchors_are_images: bool) -> ContrastivePairs:
        """The pairs of two sides, with their similarities and evidence."""
        similarity_RC = _products(anchors.features, candidates.features)
        if candidates.lengths is not None:
            similarity_RC /= candidates.lengths
        dtype = similarity_RC.dtype
        return ContrastivePairs(
            similarity_RC,
            self.temperature,
            anchors.image_ids,
            candidates.image_ids,
            anchors.text_ids,
            candidates.text_ids,
            Evidence(
                (name, _products(x.to(dtype), candidates.evidence[name].to(dtype)))
                for name, x in anchors.evidence.items()
            ),
            self.progress,
            anchors_are_images,
            may_have_positives=_may_share(candidates.image_ids, anchors.image_ids),
            may_have_empty_slots=candidates.lengths is not None and _may_be_empty(candidates.image_ids),
        )

    def directions(
        self, rows: Side, columns: Side, pairs: ContrastivePairs
    ) -> Iterator[tuple[AnchorSums, ContrastivePairs]]:
        """Yields sums and pairs of a block for each of its sides that are anchors; for the columns the pairs are turned."""
        for side, is_turned in ((rows, False), (columns, True)):
            if side.sums is not None:
                seen = pairs.turned() if is_turned else pairs
                if self.policy.needs_row_sums:
                    seen.log_norm_2A1 = side.sums.row_scores.norm()
                yield side.sums, seen

    @torch.no_grad()
    def loss(self) -> Tensor:
        """The mean over anchors and directions, a scalar."""
        if self.policy.needs_row_sums:
            for block in self.blocks():
                for sums, pairs in self.directions(*block):
                    sums.add_row_scores(pairs, self.policy.row_scores(pairs))
        for block in self.blocks():
            for sums, pairs in self.directions(*block):
                sums.add(pairs, self.policy(pairs))
        return (self.image_sums.losses().mean() + self.text_sums.losses().mean()) / 2

    @torch.no_grad()
    def add_gradients(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """After `loss`: fill in the sides' gradients; return the gradients of the temperature and of the policy's
        `parameters`."""
        of_temperature = torch.zeros_like(self.temperature)
        of_parameters = [torch.zeros_like(x) for x in parameters]
        for rows, columns, pairs in self.blocks():
            of_logits: list[Tensor] = []
            of_similarities: list[Tensor] = []
            for sums, seen in self.directions(rows, columns, pairs):
                with torch.enable_grad():
                    treatment = self.policy(seen)
                gradient_AM = sums.logit_gradient(seen, treatment)
                of_logits.append(gradient_AM if seen is pairs else gradient_AM.t())
                if treatment.similarity_targets_AM is not None:
                    gradient_AM = sums.regression_gradient(seen, treatment)
                    of_similarities.append(gradient_AM if seen is pairs else gradient_AM.t())
                    _add_target_gradients(of_parameters, parameters, treatment.similarity_targets_AM, -gradient_AM)
            of_logit_RC = _sum(of_logits)
            of_temperature -= torch.dot(of_logit_RC.t().flatten(), pairs.similarity_AM.t().flatten())
            if of_similarities:
                of_logit_RC += _sum(of_similarities) * self.temperature  # undoes the division below
            rows.add_gradient(of_logit_RC, columns)
            columns.add_gradient(of_logit_RC.t(), rows)
        anchors = 2 * len(self.images)
        for side in self.sides:
            if side.gradient is not None:
                side.gradient /= anchors * self.temperature
        return [of_temperature / (anchors * self.temperature**2), *(x / anchors for x in of_parameters)]


def _products(x_RD: Tensor, y_CD: Tensor) -> Tensor:
    return (y_CD @ x_RD.t()).t()  # for a few rows CPUs are slower in the other order


def _may_share(some_ids: Tensor, other_ids: Tensor) -> bool:
    """Whether any id is in both; on a GPU, which is not waited for, always True."""
    return some_ids.device.type != 'cpu' or bool(torch.isin(some_ids, other_ids).any())


def _may_be_empty(ids: Tensor) -> bool:
    """Whether any slot is empty; on a GPU always True."""
    return ids.device.type != 'cpu' or bool((ids < 0).any())


def parts(count: int, size: int) -> Iterator[slice]:
    """Slices of `size`, the last one of what is left, that make up `count`."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def block_shape(anchors: int, candidates: int, pairs: int) -> tuple[int, int]:
    """Rows and columns of a block: a square if there are enough of both."""
    rows = min(anchors, math.isqrt(pairs))
    columns = min(candidates, max(1, pairs // rows))
    return min(anchors, max(1, pairs // columns)), columns


def _sum(of_directions: list[Tensor]) -> Tensor:
    total_RC, *others = of_directions
    for other_RC in others:
        total_RC += other_RC
    return total_RC


def _add_target_gradients(
    totals: list[Tensor], parameters: Sequence[Tensor], targets_AM: Tensor, of_targets_AM: Tensor
) -> None:
    """Add the gradients that a regression's targets send to the policy's parameters."""
    if targets_AM.requires_grad:
        found = torch.autograd.grad(targets_AM, parameters, of_targets_AM, allow_unused=True)
        for total, gradient in zip(totals, found, strict=True):
            if gradient is not None:
                total += gradient
