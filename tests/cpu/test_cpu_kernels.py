"""Which kernel is used; that its values are PyTorch's: test_matrix_attention.py."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sacl_mm.cpu import CPUKernels, CPUKernelsHook
from sacl_mm.cpu.cpu_kernels_hook import use_cpu_kernels


def make_inputs(dtype=torch.float32, keys=7, queries=5, rows=3, dim=8):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(rows, n, 2, dim, generator=generator).transpose(1, 2).to(dtype) for n in (queries, keys, keys)]


def kernels_of(inputs, **options):
    """The operators that a call comes to."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile, CPUKernels():
        F.scaled_dot_product_attention(*(x.requires_grad_() for x in inputs), **options)
    names = {event.key for event in profile.key_averages()}
    found = {'aten::_scaled_dot_product_flash_attention_for_cpu': 'fused', '_MatrixAttention': 'matrix'}
    return {kernel for name, kernel in found.items() if name in names}


def test_each_call_gets_the_kernel_that_is_fast():
    assert kernels_of(make_inputs(torch.bfloat16, keys=24)) == {'matrix'}
    assert kernels_of(make_inputs(torch.bfloat16, keys=257)) == {'matrix'}
    for keys in (24, 257):
        assert 'matrix' not in kernels_of(make_inputs(keys=keys)), 'float32'
    with torch.no_grad():
        assert kernels_of(make_inputs(torch.bfloat16, keys=24)) == {'fused'}
        assert kernels_of(make_inputs(torch.bfloat16, keys=257)) == {'matrix'}


def test_what_the_matrix_products_do_not_know_is_left_to_pytorch():
    inputs = make_inputs(torch.bfloat16, keys=257, queries=257)
    for options in (dict(is_causal=True), dict(scale=0.5), dict(dropout_p=1.0)):
        assert 'matrix' not in kernels_of(inputs, **options), options
    assert 'matrix' not in kernels_of([x[0] for x in make_inputs(torch.bfloat16, keys=24)]), 'no rows'


def test_arguments_may_come_by_name_and_by_place():
    query, key, value = make_inputs()
    x, weight, bias = torch.randn(3, 4), torch.randn(2, 4), torch.randn(2)

    def calls():
        return [
            F.linear(input=x, weight=weight, bias=bias),
            F.linear(x, weight=weight),
            F.linear(x, weight, bias),
            F.scaled_dot_product_attention(query=query, key=key, value=value),
            F.scaled_dot_product_attention(query, key, value, None, 0.0, True),
            F.dropout(input=x, p=0.5, training=False),
        ]

    with torch.no_grad():
        expected = calls()
        with CPUKernels():
            torch.testing.assert_close(calls(), expected)


def test_no_tokens_give_none():
    query, key, value = make_inputs(torch.bfloat16)
    for queries, keys in ((query[:, :, :0], key), (query[:0], key[:0])):
        with CPUKernels():
            out = F.scaled_dot_product_attention(queries.requires_grad_(), keys, value[: len(keys)])
        assert out.shape == queries.shape


def modes():
    return torch.overrides._get_current_function_mode_stack()


class Seen(nn.Module):
    """Notes in which modes it is called."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls = []

    def forward(self, fails=False):
        self.calls.append([type(mode) for mode in modes()])
        if fails:
            raise ValueError('an error')


def test_a_model_uses_them_in_its_calls_and_leaves_them_after_an_error():
    model = Seen()
    use_cpu_kernels(model)
    model()
    assert not modes()
    with pytest.raises(ValueError, match='an error'):
        model(fails=True)
    assert not modes()
    assert model.calls == [[CPUKernels], [CPUKernels]]


def test_the_hook_is_there_once_in_a_run_and_gone_after_it():
    model, hook = Seen(), CPUKernelsHook()
    runner = SimpleNamespace(model=model)
    for _ in range(2):  # the first run ends with an error
        hook.before_run(runner)
        model()
    hook.after_run(runner)
    model()
    assert model.calls == [[CPUKernels], [CPUKernels], []]


def test_the_hook_does_nothing_on_other_devices():
    model, hook = Seen().to('meta'), CPUKernelsHook()
    hook.before_run(SimpleNamespace(model=model))
    model()
    assert model.calls == [[]]
