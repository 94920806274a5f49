"""One direction of the contrastive loss after the other, a few anchors at a time.

Shapes: A anchors, R of them in a tile, M candidates, D features.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sacl_mm.models.losses.candidates import CandidatePair, Candidates
from sacl_mm.models.losses.contrast import ContrastSums
from sacl_mm.models.losses.pairs import ContrastivePairs, FeaturePair, PairTreatment

Treat = Callable[[slice, Tensor], tuple[ContrastivePairs, PairTreatment]]


def contrast_each_way(
    anchors: FeaturePair,
    others: tuple[Tensor | None, Tensor | None],
    candidates: CandidatePair,
    temperature: Tensor,
    treats: tuple[Treat, Treat],
    rows: int,
    needs_gradient: Sequence[bool],
) -> ContrastSums:
    """The sum over anchors and both directions of LSE_m (z_am + log w_am) - sum_m target_am z_am, and its gradient.

    With one-hot targets these are Eq. 4-5 of Jiang et al., ACL 2023; with weights 1 it is cross entropy. The target term
    carries no log w: positives have log w = 0, and for soft targets the difference is a constant of the parameters (weights
    carry no gradient), but would be infinite for a removed candidate.

    A tile is some anchors against all candidates, so a policy sees whole rows, as without tiles. The gradient of a tile is
    that of a cross entropy, softmax minus targets, and is taken at once: nothing is computed twice.

    Args:
        anchors: unit rows.
        others: the batches' candidates, images and texts; None if they are the anchors.
        candidates: the same with a bank's.
        treats: for images as anchors and for texts: `treat(rows, similarity_RM)` gives a tile's pairs and the policy's
            treatment of them.
        rows: R.
        needs_gradient: for images and texts as anchors, for those of the batches as candidates, and for the temperature.
    """
    gradients = [
        torch.zeros_like(x) if needed and x is not None else None
        for x, needed in zip((*anchors, *others), needs_gradient[:4], strict=True)
    ]
    loss, similarity_gradient = anchors[0].new_zeros(()), anchors[0].new_zeros(())
    for anchor, other in ((0, 1), (1, 0)):
        anchors_AD, compared = anchors[anchor], candidates[other]
        of_anchors, of_compared = gradients[anchor], gradients[other if others[other] is None else 2 + other]
        for start in range(0, len(anchors_AD), rows):
            tile = slice(start, start + rows)
            loss_R, similarity_RM, gradient_RM = _tile(anchors_AD[tile], compared, temperature, treats[anchor], tile)
            loss += loss_R.sum()
            if of_anchors is not None:
                compared.add_weighted(of_anchors[tile], gradient_RM)
            if of_compared is not None:
                of_compared.addmm_(compared.of_batch(gradient_RM).t(), anchors_AD[tile])
            if needs_gradient[4]:
                similarity_gradient += torch.dot(gradient_RM.flatten(), similarity_RM.flatten())
    return ContrastSums(loss, gradients, similarity_gradient if needs_gradient[4] else None)


def _tile(
    anchors_RD: Tensor, candidates: Candidates, temperature: Tensor, treat: Treat, rows: slice
) -> tuple[Tensor, Tensor, Tensor]:
    """Each anchor's loss (R,), the similarities (R, M), and the gradient of the losses' sum with respect to the logits, which
    are similarities over temperature."""
    similarity_RM = candidates.similarity(anchors_RD)
    pairs, treatment = treat(rows, similarity_RM)
    targets_RM = pairs.hard_targets_AM if treatment.targets_AM is None else treatment.targets_AM
    product_RM = targets_RM * similarity_RM
    target_logit_R = product_RM.sum(dim=1) / temperature
    # In the same memory: to write to more of it would cost more than the arithmetic. The similarities are left as they are: a
    # policy may have answered with a view of them.
    softmax_RM = torch.addcdiv(treatment.log_weights_AM, similarity_RM, temperature, out=product_RM)
    if pairs.valid_AM is not None:
        softmax_RM.masked_fill_(~pairs.valid_AM, -torch.inf)
    largest_R1 = softmax_RM.amax(dim=1, keepdim=True)
    total_R1 = softmax_RM.sub_(largest_R1).exp_().sum(dim=1, keepdim=True)
    softmax_RM.div_(total_R1)
    loss_R = (largest_R1 + total_R1.log())[:, 0] - target_logit_R
    gradient_RM = softmax_RM.sub_(targets_RM)
    if treatment.anchor_weights_A is not None:
        loss_R = loss_R * treatment.anchor_weights_A
        gradient_RM.mul_(treatment.anchor_weights_A[:, None])
    return loss_R, similarity_RM, gradient_RM
