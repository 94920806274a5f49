"""Attention out of PyTorch's matrix products, for bfloat16 on CPUs.

Shapes: B rows, H heads, L queries, N keys, D width of a head.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sacl_mm.layers.dropout import noise

# Scores that are made at a time, so that memory does not grow with all of them.
_SCORES = 2**20


def matrix_attention(query_BHLD: Tensor, key_BHND: Tensor, value_BHND: Tensor, dropout: float = 0.0) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention` without a mask.

    PyTorch's fused attention for CPUs takes its products in small tiles, which gain little from bfloat16. Here they are as
    large as can be. As there, scores are made again in the backward pass instead of being kept.
    """
    return _MatrixAttention.apply(query_BHLD, key_BHND, value_BHND, dropout)


class _MatrixAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query_BHLD: Tensor, key_BHND: Tensor, value_BHND: Tensor, dropout: float) -> Tensor:
        inputs = query_BHLD, key_BHND, value_BHND
        out_BHLD = query_BHLD.new_empty(*query_BHLD.shape[:3], value_BHND.shape[3])
        noises = []
        with torch.autocast(query_BHLD.device.type, enabled=False):
            for rows in _chunks(query_BHLD, key_BHND):
                query, key, value = (x[rows].flatten(0, 1) for x in inputs)
                probability = _probability(query, key)
                if dropout > 0:
                    noises.append(noise(probability, dropout))
                    probability.mul_(noises[-1])
                out_BHLD[rows] = torch.bmm(probability, value).view_as(out_BHLD[rows])
        ctx.save_for_backward(*inputs, *noises)
        return out_BHLD

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient_BHLD: Tensor) -> tuple[Tensor | None, ...]:
        query_BHLD, key_BHND, value_BHND, *noises = ctx.saved_tensors
        inputs = query_BHLD, key_BHND, value_BHND
        gradients = tuple(x.new_empty(x.shape) for x in inputs)
        scale = query_BHLD.shape[3] ** -0.5
        for number, rows in enumerate(_chunks(query_BHLD, key_BHND)):
            query, key, value, gradient = (x[rows].flatten(0, 1) for x in (*inputs, gradient_BHLD))
            read = probability = _probability(query, key)
            of_probability = torch.bmm(gradient, value.transpose(1, 2))
            if noises:
                read = probability * noises[number]
                of_probability.mul_(noises[number])
            of_score = torch.ops.aten._softmax_backward_data(of_probability, probability, -1, probability.dtype)
            parts = (
                _scaled_product(of_score, key, scale),
                _scaled_product(of_score.transpose(1, 2), query, scale),
                torch.bmm(read.transpose(1, 2), gradient),
            )
            for whole, part in zip(gradients, parts, strict=True):
                whole[rows] = part.view_as(whole[rows])
        return *gradients, None


def _chunks(query_BHLD: Tensor, key_BHND: Tensor) -> list[slice]:
    batch, heads, length, _ = query_BHLD.shape
    rows = max(1, _SCORES // (heads * length * key_BHND.shape[2]))
    return [slice(start, start + rows) for start in range(0, batch, rows)]


def _probability(query: Tensor, key: Tensor) -> Tensor:
    return _scaled_product(query, key.transpose(1, 2), query.shape[2] ** -0.5).softmax(dim=-1)


def _scaled_product(a: Tensor, b: Tensor, scale: float) -> Tensor:
    return torch.baddbmm(a.new_empty(1, 1, 1), a, b, beta=0, alpha=scale)
