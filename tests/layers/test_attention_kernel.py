"""Which attention kernel is used, and that it doesn't matter to the values."""

import pytest
import torch
import torch.nn.functional as F

from sacl_mm.layers.attention_kernel import attention_kernel


def fused_is_allowed(keys):
    with attention_kernel(torch.zeros(1), keys):
        return torch.backends.cuda.flash_sdp_enabled()


def test_short_sequences_in_training_on_cpus_use_plain_attention():
    assert not fused_is_allowed(24)
    assert fused_is_allowed(257)
    assert torch.backends.cuda.flash_sdp_enabled(), 'the choice must not outlive the block'
    with torch.no_grad():
        assert fused_is_allowed(24)
    with attention_kernel(torch.zeros(1, device='meta'), 24):
        assert torch.backends.cuda.flash_sdp_enabled()


@pytest.mark.parametrize('masked', [False, True])
def test_values_and_gradients_are_those_of_the_fused_kernel(masked):
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(3, 2, n, 8, dtype=torch.float64, generator=generator) for n in (5, 7, 7)]
    mask = (torch.arange(7) < 4).expand(3, 1, 1, 7) if masked else None
    results = []
    for keys in (7, 1000):
        query, key, value = (x.clone().requires_grad_() for x in values)
        with attention_kernel(query, keys):
            out = F.scaled_dot_product_attention(query, key, value, mask)
        out.square().sum().backward()
        results.append([out.detach(), query.grad, key.grad, value.grad])
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(plain, fused)
