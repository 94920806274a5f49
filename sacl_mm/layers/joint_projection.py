"""Queries, keys and values that are parts of one linear layer's output.

Shapes: B rows, H heads, N tokens, D width of a head.
"""

from torch import Tensor


def unbound(query_BHND: Tensor, key_BHND: Tensor, value_BHND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same three, whose gradients come together in one tensor if they are the parts of one.

    Libraries take a joint projection apart as `qkv[0], qkv[1], qkv[2]`. Each of these has a gradient as large as all three,
    of which two thirds are zeros, and the three are added, in another order of axes than the layer wants. What `unbind`
    yields has one gradient, which is written once, in the layer's order.
    """
    parts = query_BHND, key_BHND, value_BHND
    joint = query_BHND._base
    if joint is None or not joint.requires_grad or query_BHND.ndim != 4 or any(x.grad_fn is None for x in parts):
        return parts
    batch, heads, tokens, dim = query_BHND.shape
    strides = (tokens * 3 * heads * dim, dim, 3 * heads * dim, 1)
    is_apart = (
        joint.is_contiguous()
        and joint.numel() == 3 * query_BHND.numel()
        and all(x._base is joint and x.shape == query_BHND.shape and x.stride() == strides for x in parts)
        and [x.storage_offset() - joint.storage_offset() for x in parts] == [i * heads * dim for i in range(3)]
    )
    if not is_apart:
        return parts
    query_BNHD, key_BNHD, value_BNHD = joint.view(batch, tokens, 3, heads, dim).unbind(2)
    return query_BNHD.transpose(1, 2), key_BNHD.transpose(1, 2), value_BNHD.transpose(1, 2)
