"""Attention out of matrix products gives what PyTorch's gives."""

import pytest
import torch
import torch.nn.functional as F
import torch.utils.checkpoint

from sacl_mm.cpu import matrix_attention as module
from sacl_mm.cpu.matrix_attention import matrix_attention


def make_inputs(dtype, queries=5, keys=7):
    """Heads that lie beside each other in memory, as they come from a projection."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((queries, 8), (keys, 8), (keys, 8))
    return [torch.randn(3, n, 2, dim, generator=generator).transpose(1, 2).to(dtype) for n, dim in shapes]


def value_and_gradients(attend, inputs, seed=0):
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    torch.manual_seed(seed)
    out = attend(*inputs)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), inputs)]


@pytest.mark.parametrize('scores', [1, 2 * 2 * 5 * 7, 10**6])
@pytest.mark.parametrize('queries', [5, 1])
def test_values_and_gradients_are_pytorchs_however_many_are_done_at_a_time(scores, queries, monkeypatch):
    monkeypatch.setattr(module, '_SCORES', scores)
    inputs = make_inputs(torch.float64, queries)
    expected = value_and_gradients(F.scaled_dot_product_attention, inputs)
    for mine, theirs in zip(value_and_gradients(matrix_attention, inputs), expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize('shape', [(3, 1, 1, 7), (3, 2, 5, 7), (1, 1, 5, 7), (2, 5, 7), (5, 7)])
@pytest.mark.parametrize('additive', [False, True])
def test_masks_are_those_of_pytorch(shape, additive, monkeypatch):
    monkeypatch.setattr(module, '_SCORES', 2 * 2 * 5 * 7)  # two chunks
    mask = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    mask = mask if additive else mask < 0.5
    mask[..., 0] = True  # none is masked altogether
    inputs = make_inputs(torch.float64)
    expected = value_and_gradients(lambda *x: F.scaled_dot_product_attention(*x, mask), inputs)
    for mine, theirs in zip(value_and_gradients(lambda *x: matrix_attention(*x, mask), inputs), expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize('shape', [(3, 1, 1, 7), (3, 2, 5, 7), (1, 2, 1, 7), (3, 1, 5, 1), (2, 5, 7), (5, 7)])
def test_a_mask_that_is_added_has_pytorchs_gradient(shape, monkeypatch):
    monkeypatch.setattr(module, '_SCORES', 2 * 2 * 5 * 7)  # two chunks
    inputs = [*make_inputs(torch.float64), torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()]
    expected = value_and_gradients(F.scaled_dot_product_attention, inputs)
    for mine, theirs in zip(value_and_gradients(matrix_attention, inputs), expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_with_dropout_the_masks_gradient_is_that_of_what_was_kept():
    inputs = [*make_inputs(torch.float64), torch.zeros(3, 1, 1, 7, dtype=torch.float64)]

    def attend(*x):
        return matrix_attention(*x, dropout=0.3)

    (*_, of_mask), step = value_and_gradients(attend, inputs), 1e-6
    weights = torch.randn(3, 2, 5, 8, generator=torch.Generator().manual_seed(1)).double()
    for place in ((0, 0, 0, 2), (2, 0, 0, 6)):
        values = []
        for sign in (1, -1):
            mask = inputs[3].clone()
            mask[place] += sign * step
            values.append((value_and_gradients(attend, [*inputs[:3], mask])[0] * weights).sum())
        torch.testing.assert_close(of_mask[place], (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_where_all_is_masked_there_is_a_number(dtype):
    for mask in (torch.zeros(3, 1, 1, 7, dtype=torch.bool), torch.full((3, 1, 1, 7), torch.finfo(torch.float32).min)):
        for result in value_and_gradients(lambda *x, mask=mask: matrix_attention(*x, mask), make_inputs(dtype)):
            assert result.isfinite().all()


@pytest.mark.parametrize('keys', [257, 30])
@pytest.mark.parametrize('masked', [False, True])
def test_in_bfloat16_the_error_is_that_of_the_precision(keys, masked):
    inputs = make_inputs(torch.bfloat16, queries=100, keys=keys)
    mask = (torch.arange(keys) < 20).expand(3, 1, 1, keys) if masked else None
    expected = value_and_gradients(lambda *x: F.scaled_dot_product_attention(*x, mask), [x.double() for x in inputs])
    with torch.autocast('cpu', torch.bfloat16):
        mine = value_and_gradients(lambda *x: matrix_attention(*x, mask), inputs)
    for x, y in zip(mine, expected, strict=True):
        assert x.dtype == torch.bfloat16
        assert (x.double() - y).norm() < 2 * torch.finfo(torch.bfloat16).eps * y.norm()


def test_to_merge_heads_costs_no_copy():
    results = value_and_gradients(matrix_attention, make_inputs(torch.float32))
    assert all(x.transpose(1, 2).is_contiguous() for x in results)


def test_dropout_drops_the_same_probabilities_in_both_passes(monkeypatch):
    monkeypatch.setattr(module, '_SCORES', 2 * 2 * 5 * 7)  # two chunks
    inputs = make_inputs(torch.float64)
    dropout = 0.25

    def attend(*inputs):
        return matrix_attention(*inputs, dropout=dropout)

    torch.manual_seed(0)
    # Values that are unit vectors show the probabilities.
    seen = matrix_attention(*inputs[:2], torch.eye(7, dtype=torch.float64).expand(3, 2, 7, 7), dropout=dropout)
    kept = seen != 0
    assert 0.55 < kept.double().mean() < 0.85

    def plain(query, key, value):
        probability = (query @ key.transpose(2, 3) / 8**0.5).softmax(dim=3)
        return (probability * kept / (1 - dropout)) @ value

    for mine, theirs in zip(value_and_gradients(attend, inputs), value_and_gradients(plain, inputs), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_checkpointing_makes_the_same_gradient_again():
    inputs = make_inputs(torch.float64)

    def attend(*inputs):
        return matrix_attention(*inputs, dropout=0.3)

    def checkpointed(*inputs):
        return torch.utils.checkpoint.checkpoint(attend, *inputs, use_reentrant=False)

    expected = value_and_gradients(attend, inputs)
    for mine, theirs in zip(value_and_gradients(checkpointed, inputs), expected, strict=True):
        torch.testing.assert_close(mine, theirs)
