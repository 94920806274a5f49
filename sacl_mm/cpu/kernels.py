"""Faster kernels for what PyTorch is slow at on CPUs."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from sacl_mm.cpu.matrix_attention import matrix_attention

# Up to this number of keys plain attention is faster, forward and backward together.
_SHORT = 64


class CPUKernels(TorchFunctionMode):
    """A mode in which layers, of any library, run another kernel for `scaled_dot_product_attention`.

    PyTorch's fused kernel for CPUs takes a fixed time per row and head in the backward pass in bfloat16, however short the
    row; on captions it is many times slower than plain attention. On images its products are slower than those of
    `matrix_attention`, and it supports neither dropout nor a mask with a gradient. PyTorch's plain attention stores the
    scores.
    """

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention:
            return _attend(*args, **kwargs)
        return function(*args, **kwargs)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **others: Any,
) -> Tensor:
    """Takes the arguments of `scaled_dot_product_attention`."""
    short, training = key.shape[-2] <= _SHORT, torch.is_grad_enabled()
    learned = attn_mask is not None and attn_mask.requires_grad
    is_known = (
        not is_causal
        and dropout_p < 1
        and not any(others.values())
        and query.ndim == 4
        and query.shape[:2] == key.shape[:2] == value.shape[:2]
        and query.dtype == key.dtype == value.dtype
    )
    if is_known and (
        (training and (short or dropout_p > 0 or learned)) or (query.dtype == torch.bfloat16 and not short)
    ):
        return matrix_attention(query, key, value, attn_mask, dropout_p)
    with sdpa_kernel(SDPBackend.MATH) if short and training else nullcontext():
        return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, **others)
