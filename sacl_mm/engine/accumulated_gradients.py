"""Gradients that are accumulated over several iterations, in a checkpoint between two of them."""

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from sacl_mm.functional.distributed import average
from sacl_mm.user_error import UserError


@torch.no_grad()
def accumulated_gradients(model: nn.Module) -> dict[str, Tensor]:
    """By parameter, the mean over all processes, which all of them must ask for.

    Until the step each process has its own part; as the step takes the mean of all parts, each may go on with the mean.
    """
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    if any(isinstance(gradient, DTensor) for gradient in gradients.values()):
        raise UserError(
            'a checkpoint between two steps of the optimizer cannot be sharded: optim_wrapper.accumulative_counts must divide '
            'the iterations of an epoch'
        )
    return {name: average(gradient).cpu() for name, gradient in gradients.items()}


@torch.no_grad()
def restore_gradients(model: nn.Module, gradients: dict[str, Tensor]) -> None:
    """What `accumulated_gradients` gave."""
    weights = dict(model.named_parameters())
    for name, gradient in gradients.items():
        weights[name].grad = gradient.to(weights[name].device)
