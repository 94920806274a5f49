"""Dropout whose random numbers come four at a time, for CPUs."""

import torch
from torch import Tensor

_LEVELS = 2**16


def dropped(x: Tensor, dropout: float) -> Tensor:
    """`torch.nn.functional.dropout` in training."""
    return x if dropout == 0 else x * noise(x, dropout)


def noise(like: Tensor, dropout: float) -> Tensor:
    """What to multiply with: 0, or 1 / (share of those that stay). Of the shape and type of `like`.

    PyTorch draws one by one on CPUs, in double precision. Here a draw of 64 bits decides about four numbers, so that `dropout`
    is rounded to 1 / 65,536.
    """
    level = round(dropout * _LEVELS)
    if level == _LEVELS:
        return torch.zeros_like(like)
    draws = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device).random_(-(2**63), None)
    kept = draws.view(torch.int16)[: like.numel()].view(like.shape) >= level - _LEVELS // 2
    return kept.to(like.dtype).div_(1 - level / _LEVELS)
