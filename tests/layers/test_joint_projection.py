"""Parts of a joint projection are the same numbers with one gradient."""

import pytest
import torch
import torch.nn.functional as F

from sacl_mm.layers.cpu_kernels import cpu_kernels
from sacl_mm.layers.joint_projection import unbound

ROWS, HEADS, TOKENS, WIDTH = 2, 3, 5, 4


def projected():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, TOKENS, 3 * HEADS * WIDTH, generator=generator, dtype=torch.float64)
    return x.requires_grad_() * 1


def taken_apart(joint):
    """As mmpretrain does."""
    qkv = joint.reshape(ROWS, TOKENS, 3, HEADS, WIDTH).permute(2, 0, 3, 1, 4)
    return qkv[0], qkv[1], qkv[2]


def node_names(x):
    """Of all that leads from `x` to the leaves."""
    found, ahead = set(), [x.grad_fn]
    while ahead:
        node = ahead.pop()
        found.add(node.name())
        ahead += [before for before, _ in node.next_functions if before is not None]
    return found


def test_the_three_are_the_same_with_one_gradient():
    joint = projected()
    before = taken_apart(joint)
    parts = unbound(*before)
    assert all(torch.equal(x, y) and x.data_ptr() == y.data_ptr() for x, y in zip(parts, before, strict=True))
    assert {'SelectBackward0'} <= node_names(before[0])
    assert not {'SelectBackward0'} & node_names(parts[0])
    weights = [torch.randn(x.shape, dtype=x.dtype) for x in parts]
    gradients = [
        torch.autograd.grad(sum((x * w).sum() for x, w in zip(xs, weights, strict=True)), joint)[0]
        for xs in (parts, before)
    ]
    assert torch.equal(*gradients)


@pytest.mark.parametrize('dropout', [0.0, 0.5])
def test_attention_in_training_uses_it(dropout):
    results = []
    for keep_apart in (False, True):
        joint = projected()
        query, key, value = taken_apart(joint)
        if keep_apart:
            query = query.clone()
        torch.manual_seed(0)
        with cpu_kernels(query):
            out = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        assert ('SelectBackward0' in node_names(out)) == keep_apart
        results.append(torch.autograd.grad(out.square().sum(), joint)[0])
    torch.testing.assert_close(*results)


def test_what_is_not_three_parts_of_one_stays_as_it_is():
    joint = projected()
    query, key, value = taken_apart(joint)
    others = {
        'in another order': (key, query, value),
        'not all of it': taken_apart(torch.cat([joint, joint])[:ROWS]),
        'one of them changed': (query, key * 2, value),
        'one without gradient': (query, key.detach(), value),
        'one that begins a graph': (query, key.detach().requires_grad_(), value),
        'of two projections': (query, key, taken_apart(projected())[2]),
        'heads and tokens exchanged': tuple(x.transpose(1, 2) for x in (query, key, value)),
        'separate': tuple(x.clone() for x in (query, key, value)),
        'leaves': tuple(x.detach().clone().requires_grad_() for x in (query, key, value)),
        'without heads': (query[0], key[0], value[0]),
    }
    for what, parts in others.items():
        assert all(x is y for x, y in zip(unbound(*parts), parts, strict=True)), what
