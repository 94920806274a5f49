"""Dropout out of few random numbers drops as many as it should, independently, and keeps the mean."""

import pytest
import torch

from sacl_mm.cpu.dropout import factor, kept_at_random


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
    assert torch.equal(noise(x, 0.0), torch.ones_like(x))
    assert torch.equal(noise(x, 1.0), torch.zeros_like(x))
    assert noise(torch.empty(0, 3), 0.1).shape == (0, 3)
