"""Dropout that draws four random numbers at a time, for CPUs."""

from typing import Any

import torch
from torch import Tensor

_LEVELS = 2**16


def dropped(x: Tensor, dropout: float) -> Tensor:
    """`torch.nn.functional.dropout` in training."""
    return x if dropout == 0 else _Dropped.apply(x, kept_at_random(x, dropout), dropout)


class _Dropped(torch.autograd.Function):
    """Saves one byte per element instead of a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kept: Tensor, dropout: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.dropout = dropout
        return x * factor(kept, dropout, x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return gradient * factor(kept, ctx.dropout, gradient.dtype), None, None


def kept_at_random(like: Tensor, dropout: float) -> Tensor:
    """A mask of the shape of `like`, True for elements that are kept.

    PyTorch draws one by one on CPUs, in double precision. Here a draw of 64 bits decides about four elements, so `dropout` is
    rounded to 1 / 65,536.
    """
    draws = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device).random_(-(2**63), None)
    return draws.view(torch.int16)[: like.numel()].view(like.shape) >= _level(dropout) - _LEVELS // 2


def factor(kept: Tensor, dropout: float, dtype: torch.dtype) -> Tensor:
    """The factors: 1 / (share that is kept) for elements that are kept, 0 for the others."""
    level = _level(dropout)
    return kept.to(dtype).div_(1 - level / _LEVELS) if level < _LEVELS else torch.zeros_like(kept, dtype=dtype)


def _level(dropout: float) -> int:
    return round(dropout * _LEVELS)
