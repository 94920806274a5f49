"""Dropout masks for attention, four random numbers at a time."""

import torch
from torch import Tensor

_LEVELS = 2**16


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
