"""Weights that are NaN or infinite are neither saved nor measured."""

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from sacl_mm.functional.distributed import largest
from sacl_mm.user_error import NonFiniteError


@torch.no_grad()
def check_weights(model: nn.Module, purpose: str) -> None:
    """Of a model, whole or sharded; all processes must call it, and all of them raise.

    A gradient may overflow while the loss is finite: the weights tell.

    Args:
        purpose: what would be done with the weights ('saved'), for the message.

    Raises:
        NonFiniteError: names the first of them.
    """
    tensors = {
        name: tensor.to_local() if isinstance(tensor, DTensor) else tensor
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if tensor.is_floating_point() and tensor.numel()
    }
    if not tensors:
        return
    finite = torch.stack([tensor.isfinite().all() for tensor in tensors.values()])
    if not largest(int(not bool(finite.all())), finite.device):
        return
    wrong = [name for name, is_finite in zip(tensors, finite.tolist(), strict=True) if not is_finite]
    named = f': {", ".join(wrong[:3])}{", ..." if len(wrong) > 3 else ""}' if wrong else ' on another process'
    raise NonFiniteError(
        f'{len(wrong) or "some"} of the weights are NaN or infinite{named}. They are not {purpose}; the last checkpoint is '
        'from before. A lower learning rate or optim_wrapper.clip_grad may help; --resume goes on from that checkpoint'
    )
