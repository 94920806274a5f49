"""Which attention kernel is used on CPUs."""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from sacl_mm.layers.matrix_attention import matrix_attention

# Keys and values up to which plain attention is faster, forward and backward together.
_SHORT = 64


def attention_kernel(like: Tensor) -> AbstractContextManager:
    """Where `torch.nn.functional.scaled_dot_product_attention` is called, by our layers or inside other libraries' models.

    PyTorch's fused attention for CPUs spends a fixed time on each row and head in the backward pass in bfloat16, however short
    the row: on captions that is many times what plain attention takes. On pictures its products are slower than
    `matrix_attention`'s.

    Args:
        like: a tensor on the device. On others than CPUs PyTorch chooses.
    """
    return _OnCPU() if like.device.type == 'cpu' else nullcontext()


class _OnCPU(TorchFunctionMode):
    """Chooses for each call."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention:
            return _attend(*args, **kwargs)
        return function(*args, **kwargs)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, **others
) -> Tensor:
    """With the arguments of `scaled_dot_product_attention`."""
    if key.shape[-2] <= _SHORT:
        with sdpa_kernel(SDPBackend.MATH) if torch.is_grad_enabled() else nullcontext():
            return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, **others)
    plain = attn_mask is None and not any(others.values()) and query.shape[:2] == key.shape[:2] == value.shape[:2]
    if plain and query.dtype == key.dtype == value.dtype == torch.bfloat16:
        return matrix_attention(query, key, value, dropout_p)
    return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, **others)
