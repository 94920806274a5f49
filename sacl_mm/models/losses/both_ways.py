"""Both directions of the contrastive loss from one matrix of similarities, a block of it at a time.

Shapes: B images and as many texts, R and C of them in a block, P of a block's pairs positive, D features. A 2 stands for
images and texts as anchors, which are rows and columns.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple

import torch
from torch import Tensor

from sacl_mm.models.losses.contrast import ContrastSums
from sacl_mm.models.losses.pairs import FeaturePair

Weigh = Callable[[slice, slice, Tensor], tuple[Tensor, Tensor | None]]

# Beside a sum of exponentials between these, what float32 can't hold does not count.
_SMALLEST, _LARGEST = 1e-30, 1e30


def contrast_both_ways(
    anchors: FeaturePair,
    temperature: Tensor,
    positives_B: Tensor,
    weigh: Weigh,
    block_pairs: int,
    needs_gradient: Sequence[bool],
) -> ContrastSums | None:
    """The loss of Eq. 4-5 (Jiang et al., ACL 2023) and its gradient, where a pair weighs the same in both directions but for
    condition 2.

    Condition 2 divides e^g, g being the raw log-weights, by its mean over an anchor's negatives: over a row for an image, over
    a column for a text. So sums of e^g and of e^(z + g) over rows and columns are all that the loss needs; a first pass takes
    them, a second one the gradient. That makes four products of B x B pairs, where one direction after the other makes six,
    and in the second pass one exponential of a pair for both softmaxes.

    Args:
        anchors: unit rows, which are the candidates as well. On a GPU the host would wait for the check of the sums.
        positives_B: how many positives image i has, and so text i.
        weigh: `weigh(rows, columns, similarity_RC)` gives which pairs are positive (R, C), and raw log-weights (R, C) in a
            tensor of its own, or None where every negative weighs 1.
        block_pairs: about how many pairs a block may have.
        needs_gradient: for images, texts, two that are the anchors here, and the temperature; for none, the second pass is
            spared.

    Returns:
        None where an anchor has no negative, or where sums of one anchor are so far from those of others that float32 can't
        hold both: they have to be taken an anchor at a time.
    """
    positives_B = positives_B.to(anchors.image.dtype)
    blocks = _Blocks(anchors, weigh, block_pairs)
    sums = _take_sums(blocks, temperature, positives_B)
    if not sums.hold():
        return None
    log_mean_2B = sums.log_mean_weight(len(anchors.image) - positives_B)
    log_total_2B = torch.logaddexp(sums.positive_2B, sums.logits.log() - log_mean_2B)
    of_image_BD, of_text_BD = (
        torch.zeros_like(x) if needed else None for x, needed in zip(anchors, needs_gradient[:2], strict=True)
    )
    of_similarity = anchors.image.new_zeros(()) if needs_gradient[4] else None
    if any(needs_gradient):
        for block, gradient_RC in _logit_gradients(blocks, temperature, positives_B, sums, log_mean_2B, log_total_2B):
            if of_image_BD is not None:
                of_image_BD[block.rows].addmm_(gradient_RC, anchors.text[block.columns])
            if of_text_BD is not None:
                of_text_BD[block.columns].addmm_(gradient_RC.t(), anchors.image[block.rows])
            if of_similarity is not None:
                of_similarity += torch.dot(gradient_RC.flatten(), block.similarity_RC.flatten())
    loss = log_total_2B.sum() - 2 * sums.target
    return ContrastSums(loss, [of_image_BD, of_text_BD, None, None], of_similarity)


class _Block(NamedTuple):
    rows: slice
    columns: slice
    similarity_RC: Tensor
    positive_PP: tuple[Tensor, Tensor]
    raw_RC: Tensor | None


class _Blocks:
    """All pairs, anew each time it is gone through."""

    def __init__(self, anchors: FeaturePair, weigh: Weigh, block_pairs: int) -> None:
        self.anchors, self.weigh = anchors, weigh
        size = len(anchors.image)
        count = math.ceil(size / math.sqrt(block_pairs))
        self.parts = [slice(*ends) for ends in pairwise(round(part * size / count) for part in range(count + 1))]

    def __iter__(self) -> Iterator[_Block]:
        for rows, columns in product(self.parts, repeat=2):
            similarity_RC = self.anchors.image[rows] @ self.anchors.text[columns].t()
            positive_RC, raw_RC = self.weigh(rows, columns, similarity_RC)
            row_P, column_P = positive_RC.nonzero(as_tuple=True)
            yield _Block(rows, columns, similarity_RC, (row_P, column_P), raw_RC)


class _ExponentialSums:
    """Sums of e^(x - shift) over the rows and the columns of a matrix that comes in blocks; the shift is the greatest x of the
    first block."""

    def __init__(self, like_2B: Tensor) -> None:
        self.sums_2B = torch.zeros_like(like_2B)
        self.shift = like_2B.new_zeros(())
        self.empty = True

    def shifted_(self, x_RC: Tensor) -> Tensor:
        if self.empty:
            self.shift, self.empty = x_RC.amax(), False
        return x_RC.sub_(self.shift)

    def add_(self, shifted_RC: Tensor, block: _Block) -> None:
        exponential_RC = shifted_RC.exp_()
        self.sums_2B[0, block.rows] += exponential_RC.sum(dim=1)
        self.sums_2B[1, block.columns] += exponential_RC.sum(dim=0)

    def hold(self) -> bool:
        return bool(((self.sums_2B > _SMALLEST) & (self.sums_2B < _LARGEST)).all())

    def log(self) -> Tensor:
        return self.sums_2B.log() + self.shift


@dataclass
class _Sums:
    """Of each anchor."""

    positive_2B: Tensor
    """log of the sum of e^z over positives."""
    weights: _ExponentialSums
    """e^g over negatives; left empty if all weigh 1."""
    logits: _ExponentialSums
    """e^(z + g - the shift of g) over negatives."""
    target: Tensor
    """The sum over anchors of the mean z of their positives, which is the same for images and for texts."""

    def hold(self) -> bool:
        return self.logits.hold() and (self.weights.empty or self.weights.hold())

    def log_mean_weight(self, negatives_B: Tensor) -> Tensor:
        """log of the mean of e^(g - its shift) over negatives."""
        if self.weights.empty:
            return torch.zeros_like(self.positive_2B)
        return self.weights.sums_2B.log() - negatives_B.log()


def _take_sums(blocks: _Blocks, temperature: Tensor, positives_B: Tensor) -> _Sums:
    positive_2B = positives_B.new_full((2, len(positives_B)), -math.inf)
    sums = _Sums(positive_2B, _ExponentialSums(positive_2B), _ExponentialSums(positive_2B), positives_B.new_zeros(()))
    for block in blocks:
        rows, columns, similarity_RC, positive_PP, raw_RC = block
        positive_P = similarity_RC[positive_PP] / temperature
        sums.target += (positive_P / positives_B[rows][positive_PP[0]]).sum()
        for log_sums_B, part, index_P in zip(positive_2B, (rows, columns), positive_PP, strict=True):
            log_sums_B[part] = torch.logaddexp(log_sums_B[part], _log_sums(positive_P, index_P, log_sums_B[part]))
        if raw_RC is None:
            logits_RC = similarity_RC.div_(temperature)
            logits_RC[positive_PP] = -math.inf
        else:
            raw_RC[positive_PP] = -math.inf
            weights_RC = sums.weights.shifted_(raw_RC)
            logits_RC = torch.addcdiv(weights_RC, similarity_RC, temperature, out=similarity_RC)
            sums.weights.add_(weights_RC, block)
        sums.logits.add_(sums.logits.shifted_(logits_RC), block)
    return sums


def _logit_gradients(
    blocks: _Blocks, temperature: Tensor, positives_B: Tensor, sums: _Sums, log_mean_2B: Tensor, log_total_2B: Tensor
) -> Iterator[tuple[_Block, Tensor]]:
    """Of each block, the gradient (R, C) of both directions' losses with respect to its logits."""
    # Of a negative, each softmax is e^(z + g) times a number of its row or column.
    row_B, column_B = (sums.logits.shift - log_mean_2B - log_total_2B).exp()
    for block in blocks:
        rows, columns, similarity_RC, (row_P, column_P), raw_RC = block
        if raw_RC is None:
            logits_RC = similarity_RC / temperature
        else:
            logits_RC = sums.weights.shifted_(raw_RC).addcdiv_(similarity_RC, temperature)
        softmaxes_RC = sums.logits.shifted_(logits_RC).exp_().mul_(row_B[rows, None] + column_B[columns])
        positive_P = similarity_RC[row_P, column_P] / temperature
        softmaxes_RC[row_P, column_P] = (
            (positive_P - log_total_2B[0, rows][row_P]).exp()
            + (positive_P - log_total_2B[1, columns][column_P]).exp()
            - 2 / positives_B[rows][row_P]
        )
        yield block, softmaxes_RC


def _log_sums(values_P: Tensor, index_P: Tensor, like_R: Tensor) -> Tensor:
    """log of the sum of e^values over those of each index, (R,); -inf where there is none."""
    largest_R = torch.full_like(like_R, -math.inf).scatter_reduce_(0, index_P, values_P, 'amax')
    total_R = torch.zeros_like(like_R).index_add_(0, index_P, (values_P - largest_R[index_P]).exp())
    return largest_R + total_R.log()
