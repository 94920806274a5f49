"""The contrastive loss of a batch of any size, as autograd sees it.

Shapes: A anchors, G candidates of the batches, D features.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class ContrastSums(NamedTuple):
    """Sums over all anchors of both directions."""

    loss: Tensor
    gradients: list[Tensor | None]
    """Of `loss`, times temperature: with respect to images and texts as anchors, and as candidates of the batches; None for
    what needs none, or is an anchor as well."""
    similarity_gradient: Tensor | None
    """Over pairs, of similarity times the gradient with respect to the logit; None if temperature needs no gradient."""


class Contrast(torch.autograd.Function):
    """Value and gradient are taken together, so that what is kept for the backward pass is as large as the features, and no
    (A, G) matrix of a large batch is ever held."""

    @staticmethod
    def forward(
        ctx: Any,
        image_AD: Tensor,
        text_AD: Tensor,
        images_GD: Tensor | None,
        texts_GD: Tensor | None,
        temperature: Tensor,
        take_sums: Callable[[Sequence[bool]], ContrastSums],
    ) -> Tensor:
        """The mean loss, a scalar.

        Args:
            image_AD, text_AD: the anchors, unit rows.
            images_GD, texts_GD: the batches' candidates; None if they are the anchors, whose gradient is then in one place.
            take_sums: is told which of the five need a gradient.
        """
        sums = take_sums(ctx.needs_input_grad[:5])
        anchors = 2 * len(image_AD)
        saved = [None if gradient is None else gradient.div_(anchors * temperature) for gradient in sums.gradients]
        if sums.similarity_gradient is not None:  # logits are similarities over temperature
            saved.append(-sums.similarity_gradient / (anchors * temperature**2))
        else:
            saved.append(None)
        ctx.save_for_backward(*saved)
        return sums.loss / anchors

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # `once_differentiable` would not see it: the gradients are constants here, whatever came in.
            raise RuntimeError('SACLContrastiveLoss has no second derivative: call backward without create_graph=True')
        return *(None if saved is None else gradient * saved for saved in ctx.saved_tensors), None
