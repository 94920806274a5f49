"""A faster kernel for what PyTorch is slow at on CPUs."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sacl_mm.cpu.matrix_attention import matrix_attention

# Up to this number of keys PyTorch's kernel is the faster one without a backward pass.
_SHORT = 64


class CPUKernels(TorchFunctionMode):
    """A mode in which `scaled_dot_product_attention` in bfloat16 is `matrix_attention`, in layers of any library.

    PyTorch's fused kernel for CPUs takes a fixed time per row and head in the backward pass in bfloat16, however short the
    row; on captions that is slow. In float32 it is the faster one, and is left alone.
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
    is_known = (
        query.dtype == key.dtype == value.dtype == torch.bfloat16
        and not is_causal
        and dropout_p < 1
        and not any(others.values())
        and query.ndim == 4
        and query.shape[:2] == key.shape[:2] == value.shape[:2]
    )
    if is_known and (torch.is_grad_enabled() or key.shape[-2] > _SHORT):
        return matrix_attention(query, key, value, attn_mask, dropout_p)
    return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, **others)
