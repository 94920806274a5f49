"""Attention by PyTorch's matrix products, for CPUs.

Shapes: B rows, H heads, L queries, N keys, D width of a head.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Scores computed at a time, which bounds memory.
_SCORES = 2**20
# Below so many keys softmax takes longer in bfloat16 than in float32; above, it depends on their number.
_LONG_ROW = 64


def matrix_attention(
    query_BHLD: Tensor, key_BHND: Tensor, value_BHND: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention`.

    PyTorch's fused attention for CPUs multiplies in small tiles, which gain little from bfloat16, supports no dropout and is
    slow on short sequences; its plain attention stores scores and probabilities. Here products are as large as possible.
    Scores are recomputed in the backward pass; only the dropout mask is stored, one byte per score.

    Args:
        query_BHLD, key_BHND, value_BHND: of equal dtype and numbers of rows and heads.
        mask: broadcasts to (B, H, L, N); booleans (True = attend), or numbers to add to the scores, which may have a gradient.
        dropout: on the attention weights.
    """
    if mask is not None:
        dtype = _softmax_dtype(query_BHLD.dtype, key_BHND.shape[2])
        lowest = torch.finfo(query_BHLD.dtype).min  # not -inf, which makes NaN where all is masked
        if mask.dtype == torch.bool:
            mask = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, lowest)
        mask = mask.to(dtype).clamp(min=lowest)
        mask = mask[(None,) * (4 - mask.ndim)].expand(len(query_BHLD), -1, -1, -1)
    return _MatrixAttention.apply(query_BHLD, key_BHND, value_BHND, mask, dropout)


class _MatrixAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query_BHLD: Tensor, key_BHND: Tensor, value_BHND: Tensor, mask: Tensor | None, dropout: float
    ) -> Tensor:
        inputs = query_BHLD, key_BHND, value_BHND
        out_BHLD = _empty_token_major(query_BHLD, value_BHND.shape[3])
        kept = []
        with torch.autocast(query_BHLD.device.type, enabled=False):
            for rows in _chunks(query_BHLD, key_BHND):
                query, key, value = (_chunk(x, rows) for x in inputs)
                probability = _probability(query, key, mask, rows)
                if dropout > 0:
                    kept.append(torch.empty_like(probability, dtype=torch.bool).bernoulli_(1 - dropout))
                    probability.mul_(kept[-1]).div_(1 - dropout)
                out_BHLD[rows] = torch.bmm(probability, value).view_as(out_BHLD[rows])
        ctx.dropout = dropout
        ctx.save_for_backward(*inputs, mask, *kept)
        return out_BHLD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BHLD: Tensor) -> tuple[Tensor | None, ...]:
        query_BHLD, key_BHND, value_BHND, mask, *kept = ctx.saved_tensors
        inputs = query_BHLD, key_BHND, value_BHND
        gradients = tuple(_empty_token_major(x, x.shape[3]) for x in inputs)
        of_mask = mask.new_empty(mask.shape) if ctx.needs_input_grad[3] else None
        scale = query_BHLD.shape[3] ** -0.5
        for number, rows in enumerate(_chunks(query_BHLD, key_BHND)):
            query, key, value, gradient = (_chunk(x, rows) for x in (*inputs, gradient_BHLD))
            read = probability = _probability(query, key, mask, rows)
            of_probability = torch.bmm(gradient, value.transpose(1, 2))
            if kept:
                read = probability * kept[number] / (1 - ctx.dropout)
                of_probability.mul_(kept[number]).div_(1 - ctx.dropout)
            of_score = _softmax_backward(of_probability, probability)
            if of_mask is not None:
                whole = of_score.view(-1, query_BHLD.shape[1], *of_score.shape[1:])
                of_mask[rows] = whole.sum_to_size(of_mask[rows].shape)
            parts = (
                _scaled_product(of_score, key, scale),
                _scaled_product(of_score.transpose(1, 2), query, scale),
                torch.bmm(read.transpose(1, 2), gradient),
            )
            for whole, part in zip(gradients, parts, strict=True):
                whole[rows] = part.view_as(whole[rows])
        return *gradients, of_mask, None


def _chunks(query_BHLD: Tensor, key_BHND: Tensor) -> list[slice]:
    batch, heads, length, _ = query_BHLD.shape
    rows = max(1, _SCORES // max(1, heads * length * key_BHND.shape[2]))
    return [slice(start, start + rows) for start in range(0, batch, rows)]


def _chunk(x_BHLD: Tensor, rows: slice) -> Tensor:
    # Heads of a token are adjacent in memory; products in bfloat16 would copy them, more slowly.
    return x_BHLD[rows].flatten(0, 1).contiguous()


def _empty_token_major(like_BHLD: Tensor, width: int) -> Tensor:
    """(B, H, L, width), with a token's heads adjacent in memory, so that merging them costs nothing."""
    batch, heads, length, _ = like_BHLD.shape
    return like_BHLD.new_empty(batch, length, heads, width).transpose(1, 2)


def _probability(query: Tensor, key: Tensor, mask: Tensor | None, rows: slice) -> Tensor:
    score = _scaled_product(query, key.transpose(1, 2), query.shape[2] ** -0.5)
    dtype = score.dtype
    score = score.to(_softmax_dtype(dtype, score.shape[2]))
    if mask is not None:
        mask = mask[rows]
        score.view(len(mask), -1, *score.shape[1:]).add_(mask)
    return score.softmax(dim=-1).to(dtype)


def _softmax_backward(gradient: Tensor, probability: Tensor) -> Tensor:
    dtype = _softmax_dtype(probability.dtype, probability.shape[2])
    of_score = torch.ops.aten._softmax_backward_data(gradient.to(dtype), probability.to(dtype), -1, dtype)
    return of_score.to(probability.dtype)


def _softmax_dtype(dtype: torch.dtype, keys: int) -> torch.dtype:
    # In bfloat16 PyTorch takes longer for short rows.
    return torch.float32 if dtype == torch.bfloat16 and keys < _LONG_ROW else dtype


def _scaled_product(a: Tensor, b: Tensor, scale: float) -> Tensor:
    return torch.baddbmm(a.new_empty(1, 1, 1), a, b, beta=0, alpha=scale)
