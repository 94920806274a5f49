"""The loss as autograd sees it: value and gradient are computed together, and the backward pass only scales."""

from typing import Any

import torch
from torch import Tensor

from sacl_mm.models.losses.blockwise import BlockwiseContrast


class _WithGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # `once_differentiable` would not notice: the saved gradients are constants.
            raise RuntimeError('SACLContrastiveLoss has no second derivative: call backward without create_graph=True')
        return None, None, *(gradient * saved for saved in ctx.saved_tensors)


def with_gradients(loss: Tensor, contrast: BlockwiseContrast, temperature: Tensor) -> Tensor:
    """`contrast`'s loss, with its gradient to features, temperature and the policy's parameters where they need one."""
    sides = [side for side in contrast.sides if side.features.requires_grad]
    parameters = [x for x in contrast.policy.parameters() if x.requires_grad]
    if not torch.is_grad_enabled() or not (sides or parameters or temperature.requires_grad):
        return loss
    for side in sides:
        side.gradient = torch.zeros_like(side.features)
    others = contrast.add_gradients(parameters)
    inputs = [*(side.features for side in sides), temperature, *parameters]
    return _WithGradients.apply(loss, [*(side.gradient for side in sides), *others], *inputs)
