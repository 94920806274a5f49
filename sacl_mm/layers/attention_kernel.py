"""Which of PyTorch's attention kernels short sequences use on CPUs."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

# Keys and values up to which plain attention is faster, forward and backward together.
_SHORT = 64


def attention_kernel(like: Tensor, keys: int) -> AbstractContextManager:
    """Where `torch.nn.functional.scaled_dot_product_attention` is called in training.

    PyTorch's fused attention for CPUs spends a fixed time on each row and head in the backward pass in bfloat16, however short
    the row: on captions that is many times what plain attention takes.

    Args:
        like: a tensor on the device.
        keys: N, of the sequence that is attended to.
    """
    if like.device.type != 'cpu' or keys > _SHORT or not torch.is_grad_enabled():
        return nullcontext()
    return sdpa_kernel(SDPBackend.MATH)
