"""The contrastive loss of a batch of any size: value and gradient, a few anchors at a time.

Shapes: A anchors, R of them in a tile, G candidates of the batches, M candidates with those of a bank, D features.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sacl_mm.models.losses.candidates import CandidatePair, Candidates
from sacl_mm.models.losses.pairs import ContrastivePairs, PairTreatment

Treat = Callable[[slice, Tensor], tuple[ContrastivePairs, PairTreatment, Tensor | None]]


class TiledContrast(torch.autograd.Function):
    """The mean over anchors and both directions of LSE_m (z_am + log w_am) - sum_m target_am z_am, without ever holding an
    (A, M) matrix of a large batch.

    With one-hot targets these are Eq. 4-5 of Jiang et al., ACL 2023; with weights 1 it is cross entropy. The target term
    carries no log w: positives have log w = 0, and for soft targets the difference is a constant of the parameters (weights
    carry no gradient), but would be infinite for a removed candidate.

    A tile is some anchors against all candidates, so a policy sees whole rows, as without tiles. The gradient of a tile is
    that of a cross entropy, softmax minus targets, and is taken at once: nothing is computed twice, and what is kept for the
    backward pass is as large as the features. Extra memory: some (R, M) matrices, and the gradients.
    """

    @staticmethod
    def forward(
        ctx,
        image_AD: Tensor,
        text_AD: Tensor,
        images_GD: Tensor | None,
        texts_GD: Tensor | None,
        temperature: Tensor,
        candidates: CandidatePair,
        treats: tuple[Treat, Treat],
        rows: int,
    ) -> Tensor:
        """The loss, a scalar.

        Args:
            image_AD, text_AD: the anchors, unit rows.
            images_GD, texts_GD: the batches' candidates; None if they are the anchors, whose gradient is then in one place.
            candidates: the same with a bank's, images and texts.
            treats: for images as anchors and for texts: `treat(rows, similarity_RM)` gives a tile's pairs, the policy's
                treatment of them, and which candidates take part at all (None: all).
            rows: R.
        """
        inputs = [image_AD, text_AD, images_GD, texts_GD]
        gradients = [
            torch.zeros_like(x) if needed else None for x, needed in zip(inputs, ctx.needs_input_grad[:4], strict=True)
        ]
        total, temperature_gradient = image_AD.new_zeros(()), image_AD.new_zeros(())
        for anchor, other, treat in ((0, 1, treats[0]), (1, 0, treats[1])):
            anchors_AD, others = inputs[anchor], candidates[other]
            other = other if inputs[2 + other] is None else 2 + other
            for start in range(0, len(anchors_AD), rows):
                tile = slice(start, start + rows)
                loss_R, similarity_RM, gradient_RM = _tile(anchors_AD[tile], others, temperature, treat, tile)
                total += loss_R.sum()
                if gradients[anchor] is not None:
                    others.add_weighted(gradients[anchor][tile], gradient_RM)
                if gradients[other] is not None:
                    gradients[other].addmm_(others.of_batch(gradient_RM).t(), anchors_AD[tile])
                if ctx.needs_input_grad[4]:
                    temperature_gradient -= torch.dot(gradient_RM.flatten(), similarity_RM.flatten())
        scale = 1 / (2 * len(image_AD) * temperature)
        gradients.append(temperature_gradient / temperature)
        ctx.save_for_backward(*(None if gradient is None else gradient.mul_(scale) for gradient in gradients))
        return total / (2 * len(image_AD))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # `once_differentiable` would not see it: the gradients are constants here, whatever came in.
            raise RuntimeError('SACLContrastiveLoss has no second derivative: call backward without create_graph=True')
        wanted = zip(ctx.saved_tensors, ctx.needs_input_grad[:5], strict=True)
        return *(gradient * saved if needed else None for saved, needed in wanted), None, None, None


def _tile(
    anchors_RD: Tensor, candidates: Candidates, temperature: Tensor, treat: Treat, rows: slice
) -> tuple[Tensor, Tensor, Tensor]:
    """Each anchor's loss (R,), the similarities (R, M), and the gradient of the losses' sum with respect to the logits, which
    are similarities over temperature."""
    similarity_RM = candidates.similarity(anchors_RD)
    pairs, treatment, valid_RM = treat(rows, similarity_RM)
    targets_RM = pairs.hard_targets_AM if treatment.targets_AM is None else treatment.targets_AM
    product_RM = targets_RM * similarity_RM
    target_logit_R = product_RM.sum(dim=1) / temperature
    # In the same memory: to write to more of it would cost more than the arithmetic. The similarities are left as they are: a
    # policy may have answered with a view of them.
    softmax_RM = torch.addcdiv(treatment.log_weights_AM, similarity_RM, temperature, out=product_RM)
    if valid_RM is not None:
        softmax_RM.masked_fill_(~valid_RM, -torch.inf)
    largest_R1 = softmax_RM.amax(dim=1, keepdim=True)
    total_R1 = softmax_RM.sub_(largest_R1).exp_().sum(dim=1, keepdim=True)
    softmax_RM.div_(total_R1)
    loss_R = (largest_R1 + total_R1.log())[:, 0] - target_logit_R
    gradient_RM = softmax_RM.sub_(targets_RM)
    if treatment.anchor_weights_A is not None:
        loss_R = loss_R * treatment.anchor_weights_A
        gradient_RM.mul_(treatment.anchor_weights_A[:, None])
    return loss_R, similarity_RM, gradient_RM
