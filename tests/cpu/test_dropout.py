"""Dropout out of few random numbers drops as many as it should, independently, and keeps the mean."""

import pytest
import torch

from sacl_mm.cpu.dropout import dropped, factor, kept_at_random


def noise(like, dropout):
    return factor(kept_at_random(like, dropout), dropout, like.dtype)


@pytest.mark.parametrize('dropout', [0.1, 0.5, 0.9])
def test_share_and_mean(dropout):
    torch.manual_seed(0)
    drawn = noise(torch.empty(1001, 1003), dropout)
    assert ((drawn == 0).float().mean() - dropout).abs() < 0.002
    assert (drawn.mean() - 1).abs() < 0.01
    assert len(drawn.unique()) == 2
    # Of four numbers from one draw, as of any others.
    for distance in (1, 2, 3, 4):
        pair = torch.stack([drawn.flatten()[:-distance], drawn.flatten()[distance:]])
        assert pair.corrcoef()[0, 1].abs() < 0.005


def test_nothing_and_everything():
    x = torch.randn(5, 3)
    assert torch.equal(dropped(x, 0.0), x)
    assert torch.equal(dropped(x, 1.0), torch.zeros_like(x))
    assert noise(torch.empty(0, 3), 0.1).shape == (0, 3)


def test_the_gradient_is_dropped_where_the_value_is():
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    y = dropped(x, 0.3)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x, y)
    assert (x.grad == 0).any()
