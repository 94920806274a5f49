"""The loss and its gradient from blocks of similarities, anchors x candidates, so that memory grows with the batch and not with
its square (as FlashAttention, arXiv 2205.14135, and Inf-CL, arXiv 2410.17243).

One pass over the blocks takes sums, a second one the gradient. A block serves each of its sides that are anchors: its rows, and
its columns as well where the candidates are the anchors.

Shapes: A anchors, M candidates, R and C of them in a block, D features.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sacl_mm.models.losses.anchor_sums import AnchorSums
from sacl_mm.models.losses.pairs import ContrastivePairs
from sacl_mm.models.losses.policies.base import NegativePolicy


@dataclass
class Side:
    """Some images, or some texts; every tensor has a row for each."""

    features: Tensor
    """(N, D), unit rows if `lengths` is None."""
    image_ids: Tensor
    text_ids: Tensor | None
    evidence: dict[str, Tensor]
    lengths: Tensor | None = None
    """(N,), of the features: a bank may be large, so its similarities are normalised, not its rows."""
    sums: AnchorSums | None = None
    """Those that are anchors have them."""
    gradient: Tensor | None = None
    """(N, D), of the loss with respect to the features, for those that need one."""

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, part: slice) -> 'Side':
        """A part of it, whose sums and gradient belong to the whole."""
        return Side(
            features=self.features[part],
            image_ids=self.image_ids[part],
            text_ids=None if self.text_ids is None else self.text_ids[part],
            evidence={name: x[part] for name, x in self.evidence.items()},
            lengths=None if self.lengths is None else self.lengths[part],
            sums=None if self.sums is None else self.sums.rows(part),
            gradient=None if self.gradient is None else self.gradient[part],
        )

    def add_gradient(self, of_similarity_RC: Tensor, others: 'Side', share: float) -> None:
        if self.gradient is not None:
            scaled_RC = of_similarity_RC if others.lengths is None else of_similarity_RC / others.lengths
            self.gradient.addmm_(scaled_RC, others.features, alpha=share)


def count_positives(anchors: Side, candidates: list[Side]) -> tuple[Tensor, Tensor]:
    """How many positives and negatives each anchor has, (A,) each, without a look at the pairs."""
    ids_M = torch.cat([side.image_ids for side in candidates]).sort().values
    first_A, end_A = (torch.searchsorted(ids_M, anchors.image_ids, right=right) for right in (False, True))
    positives_A = (end_A - first_A).to(anchors.features.dtype)
    return positives_A, (ids_M >= 0).sum() - positives_A


class BlockwiseContrast:
    """All pairs of a batch, in both directions.

    Args:
        images, texts: the anchors.
        candidate_images, candidate_texts: of all processes, or a momentum encoder's, and a bank's; `images` and `texts`
            themselves if those are compared with each other.
        block_pairs: R * C, about.
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
        images.sums = AnchorSums.start(*count_positives(images, candidate_texts))
        texts.sums = AnchorSums.start(*count_positives(texts, candidate_images))
        self.candidate_images, self.candidate_texts = candidate_images, candidate_texts

    @property
    def sides(self) -> list[Side]:
        """Each once."""
        sides = (self.images, self.texts, *self.candidate_images, *self.candidate_texts)
        return list({id(side): side for side in sides}.values())

    def blocks(self) -> Iterator[tuple[Side, Side, ContrastivePairs]]:
        """Rows, columns, and their pairs with the rows as anchors."""
        products = [(self.images, side) for side in self.candidate_texts]
        products += [(self.texts, side) for side in self.candidate_images if side is not self.images]
        for anchors, candidates in products:
            rows, columns = block_shape(len(anchors), len(candidates), self.block_pairs)
            for row_side in (anchors.rows(part) for part in parts(len(anchors), rows)):
                for column_side in (candidates.rows(part) for part in parts(len(candidates), columns)):
                    yield row_side, column_side, self.compare(row_side, column_side, anchors is self.images)

    def compare(self, anchors: Side, candidates: Side, anchors_are_images: bool) -> ContrastivePairs:
        similarity_RC = anchors.features @ candidates.features.t()
        if candidates.lengths is not None:
            similarity_RC /= candidates.lengths
        dtype = similarity_RC.dtype
        positive_RC = anchors.image_ids[:, None] == candidates.image_ids
        negative_RC = ~positive_RC
        if candidates.lengths is not None:
            negative_RC &= candidates.image_ids >= 0  # a bank's empty slots are neither
        return ContrastivePairs(
            similarity_RC,
            self.temperature,
            positive_RC,
            negative_RC,
            self.progress,
            anchors_are_images,
            {name: x.to(dtype) @ candidates.evidence[name].to(dtype).t() for name, x in anchors.evidence.items()},
            anchors.image_ids,
            anchors.text_ids,
            candidates.image_ids,
            candidates.text_ids,
        )

    def directions(self, rows: Side, columns: Side, pairs: ContrastivePairs) -> Iterator[tuple[AnchorSums, ContrastivePairs]]:
        """The sums and the pairs of each side of a block that is anchors; the columns' pairs are turned."""
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
        return (self.images.sums.losses().mean() + self.texts.sums.losses().mean()) / 2

    @torch.no_grad()
    def add_gradients(self, parameters: list[Tensor]) -> list[Tensor]:
        """After `loss`: fill in the sides' gradients, and return those of the temperature and of the policy's `parameters`."""
        of_temperature = torch.zeros_like(self.temperature)
        of_parameters = [torch.zeros_like(x) for x in parameters]
        share = 1 / (2 * len(self.images))  # of an anchor in the mean
        for rows, columns, pairs in self.blocks():
            of_logit_RC, of_similarity_RC = None, None
            for sums, seen in self.directions(rows, columns, pairs):
                with torch.enable_grad():
                    treatment = self.policy(seen)
                of_logit_RC = _plus(of_logit_RC, sums.logit_gradient(seen, treatment), seen is not pairs)
                if treatment.similarity_targets_AM is not None:
                    error_AM = sums.regression_gradient(seen, treatment)
                    of_similarity_RC = _plus(of_similarity_RC, error_AM, seen is not pairs)
                    _add_target_gradients(of_parameters, parameters, treatment.similarity_targets_AM, -error_AM)
            of_temperature -= torch.dot(of_logit_RC.flatten(), pairs.similarity_AM.flatten())
            of_similarity_RC = _plus(of_similarity_RC, of_logit_RC.div_(self.temperature), False)
            rows.add_gradient(of_similarity_RC, columns, share)
            columns.add_gradient(of_similarity_RC.t(), rows, share)
        return [share * of_temperature / self.temperature**2, *(share * x for x in of_parameters)]


def parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def block_shape(anchors: int, candidates: int, pairs: int) -> tuple[int, int]:
    """Rows and columns of a block: a square if there are enough of both."""
    rows = min(anchors, math.isqrt(pairs))
    columns = min(candidates, max(1, pairs // rows))
    return min(anchors, max(1, pairs // columns)), columns


def _plus(total_RC: Tensor | None, of_direction: Tensor, is_turned: bool) -> Tensor:
    of_block_RC = of_direction.t() if is_turned else of_direction
    return of_block_RC if total_RC is None else total_RC.add_(of_block_RC)


def _add_target_gradients(
    totals: list[Tensor], parameters: list[Tensor], targets_AM: Tensor, of_targets_AM: Tensor
) -> None:
    """Those of a regression's targets with respect to what a policy learns."""
    if targets_AM.requires_grad:
        found = torch.autograd.grad(targets_AM, parameters, of_targets_AM, allow_unused=True)
        for total, gradient in zip(totals, found, strict=True):
            if gradient is not None:
                total += gradient
