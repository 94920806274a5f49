"""Activation checkpointing over parts of a batch."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def in_checkpointed_chunks(
    encode: Callable[..., tuple[Tensor | None, ...]], rows: int | None, *inputs: Tensor | None
) -> tuple[Tensor | None, ...]:
    """`encode(*inputs)`, some rows at a time; each chunk's activations are recomputed in the backward pass.

    The outputs are those of the whole batch, so a contrastive loss sees all pairs with the memory of a few (GradCache, arXiv
    2101.06983, takes two passes over the batch; here autograd does the second). Without gradient, or with `rows` None,
    `encode` is called once.

    Args:
        encode: takes rows of the inputs, gives a tuple of tensors with as many rows; entries may be None.
        rows: in a chunk; ValueError below 1.
        inputs: tensors of equally many rows, or None.
    """
    if rows is not None and rows < 1:
        raise ValueError(f'checkpoint_rows must be at least 1, or None, got {rows}')
    if rows is None or not torch.is_grad_enabled():
        return encode(*inputs)
    length = next(len(x) for x in inputs if x is not None)
    chunks = [
        checkpoint(encode, *(None if x is None else x[start : start + rows] for x in inputs), use_reentrant=False)
        for start in range(0, length, rows)
    ]
    return tuple(None if parts[0] is None else torch.cat(parts) for parts in zip(*chunks, strict=True))
