"""Linear layers through oneDNN: where, and that values and gradients are those of PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.layers import FusionLayer
from sacl_mm.layers import onednn_linear as module
from sacl_mm.layers.cpu_kernels import cpu_kernels
from sacl_mm.layers.onednn_linear import onednn_linear
from sacl_mm.layers.recomputation import recomputed_activations

OPERATOR = 'mkldnn::_linear_pointwise'
pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason='this PyTorch was built without oneDNN'
)


@pytest.fixture
def amd(monkeypatch):
    """An AMD processor, on which no product is too small."""
    monkeypatch.setattr(module, '_is_amd', lambda: True)
    monkeypatch.setattr(module, '_LARGE', 0)


def operators_of(run):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    return {event.key for event in profile.key_averages()}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def value_and_gradients(function, inputs, gradient):
    inputs = [x.detach().requires_grad_() if x is not None else None for x in inputs]
    out = function(*inputs)
    return [out.detach(), *torch.autograd.grad(out, [x for x in inputs if x is not None], gradient.to(out.dtype))]


INPUTS = {
    'rows': random(6, 5),
    'one row': random(5),
    'no rows': random(0, 5),
    'tokens': random(3, 4, 5),
    'first tokens': random(3, 7, 5)[:, :4],
    'every second token': random(3, 8, 5)[:, ::2],
    'another order of axes': random(5, 4, 3).permute(2, 1, 0),
    'the same row again and again': random(1, 5).expand(6, 5),
}


@pytest.mark.parametrize('bias', [True, False], ids=['bias', 'no bias'])
@pytest.mark.parametrize('name', INPUTS)
def test_values_and_gradients_are_those_of_double_precision(name, bias, amd):
    x, weight_OI, bias_O = INPUTS[name], random(7, 5, seed=1), random(7, seed=2) if bias else None
    gradient = random(*x.shape[:-1], 7, seed=3)
    exact = [None if value is None else value.double() for value in (x, weight_OI, bias_O)]
    expected = value_and_gradients(F.linear, exact, gradient)
    results = value_and_gradients(onednn_linear, [x, weight_OI, bias_O], gradient)
    for result, value in zip(results, expected, strict=True):
        torch.testing.assert_close(result, value.float(), rtol=1e-5, atol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(onednn_linear(x, weight_OI, bias_O), results[0], rtol=0, atol=0)


def test_gradients_that_are_one_number_expanded_and_weights_in_another_order(amd):
    x, weight_OI = random(6, 5).requires_grad_(), random(5, 7, seed=1).t().requires_grad_()
    onednn_linear(x, weight_OI).sum().backward()
    torch.testing.assert_close(x.grad, weight_OI.detach().sum(0).expand(6, 5))
    torch.testing.assert_close(weight_OI.grad, x.detach().sum(0).expand(7, 5))


def test_what_is_frozen_gets_no_gradient(amd):
    x, layer = random(6, 5), nn.Linear(5, 7)
    for frozen in ('x', 'weight', 'bias'):
        inputs = dict(x=x.clone(), weight=layer.weight.detach().clone(), bias=layer.bias.detach().clone())
        for name, value in inputs.items():
            value.requires_grad_(name != frozen)
        onednn_linear(*inputs.values()).square().sum().backward()
        assert [name for name, value in inputs.items() if value.grad is None] == [frozen]


def test_float32_on_amd_comes_to_onednn(amd):
    layer, x = nn.Linear(5, 7), random(6, 5)
    with cpu_kernels(x):
        assert OPERATOR in operators_of(lambda: layer(x).sum().backward())
        with torch.no_grad():
            assert OPERATOR in operators_of(lambda: layer(x))
    assert OPERATOR not in operators_of(lambda: layer(x)), 'outside of the block'


class Subclass(torch.Tensor):
    """As those of sharded weights are."""


def test_all_else_is_left_to_pytorch(amd, monkeypatch):
    x, weight_OI = random(6, 5), random(7, 5)

    def comes_to_onednn(x=x, weight_OI=weight_OI):
        return OPERATOR in operators_of(lambda: onednn_linear(x, weight_OI))

    assert comes_to_onednn()
    assert not comes_to_onednn(x.double(), weight_OI.double())
    assert not comes_to_onednn(x.bfloat16(), weight_OI.bfloat16())
    assert not comes_to_onednn(weight_OI=weight_OI.as_subclass(Subclass))
    with torch.autocast('cpu', torch.bfloat16):
        assert not comes_to_onednn()
        assert onednn_linear(x, weight_OI).dtype == torch.bfloat16
    assert onednn_linear(x.to('meta'), weight_OI.to('meta')).device.type == 'meta'
    monkeypatch.setattr(module, '_LARGE', 6 * 5 * 7 + 1)
    assert not comes_to_onednn(), 'too small to be worth the call'
    monkeypatch.setattr(module, '_LARGE', 6 * 5 * 7)
    assert comes_to_onednn()
    monkeypatch.setattr(module, '_is_amd', lambda: False)
    assert not comes_to_onednn()


@pytest.mark.parametrize(
    ('name', 'expected'), [('AMD EPYC', True), ('Intel(R) Xeon(R) Platinum', False), (None, False)]
)
def test_the_processor_is_known_by_its_name(name, expected, monkeypatch):
    capabilities = {} if name is None else dict(cpu_name=name)
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: capabilities, raising=False)
    assert module._is_amd.__wrapped__() is expected


def test_an_older_pytorch_that_does_not_tell_the_name_is_left_alone(monkeypatch):
    monkeypatch.delattr(torch.cpu, 'get_capabilities', raising=False)
    assert module._is_amd.__wrapped__() is False


def test_gradients_of_gradients(amd):
    inputs = [random(6, 5, seed=1), random(7, 5, seed=2), random(7, seed=3)]
    results = []
    for function in (onednn_linear, F.linear):
        x, weight_OI, bias_O = (value.clone().requires_grad_() for value in inputs)
        gradients = torch.autograd.grad(function(x, weight_OI, bias_O).pow(3).sum(), [x, weight_OI], create_graph=True)
        loss = sum(gradient.square().sum() for gradient in gradients)
        results.append(torch.autograd.grad(loss, [x, weight_OI, bias_O]))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-2)


def test_no_more_is_kept_for_the_backward_pass(amd, monkeypatch):
    layer = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
    x = random(6, 8).requires_grad_()

    def kept():
        """The shapes of what autograd keeps."""
        shapes = []

        def keep(tensor):
            shapes.append(sorted(tensor.shape))
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), cpu_kernels(x):
            assert (OPERATOR in operators_of(lambda: layer(x))) is module._is_amd()
        return sorted(shapes)

    mine = kept()
    monkeypatch.setattr(module, '_is_amd', lambda: False)
    assert mine == kept()


def test_what_can_be_computed_again_is_not_kept(amd):
    """See `recomputation.py`."""
    first, second = nn.Linear(8, 16), nn.Linear(16, 8)
    x = random(6, 8).requires_grad_()
    with cpu_kernels(x), recomputed_activations():
        activated = F.gelu(first(x))
        storage = StorageWeakRef(activated.untyped_storage())
        loss = second(activated).square().sum()
    del activated
    assert storage.expired()
    parameters = [x, *first.parameters(), *second.parameters()]
    gradients = torch.autograd.grad(loss, parameters)
    expected = torch.autograd.grad(second(F.gelu(first(x))).square().sum(), parameters)
    for gradient, value in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, value, rtol=1e-5, atol=1e-5)


def vision_transformer():
    load_mmpretrain()
    from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

    layer = TransformerEncoderLayer(8, 2, 16)
    layer.init_weights()

    def run(x):
        with cpu_kernels(x), recomputed_activations():
            return layer(x)

    return layer, run


def fusion_layer():
    layer = FusionLayer(8, 8, 2, 16)
    return layer, lambda x: layer(x, torch.ones(4, 6, dtype=torch.bool), layer.project(x[:2]), torch.tensor([1, 0]))


@pytest.mark.parametrize('make', [vision_transformer, fusion_layer])
def test_every_parameter_of_a_layer_learns_what_it_would(make, amd, monkeypatch):
    torch.manual_seed(0)
    layer, run = make()
    inputs, results = random(4, 6, 8), []
    for is_amd in (True, False):
        monkeypatch.setattr(module, '_is_amd', lambda is_amd=is_amd: is_amd)
        x = inputs.clone().requires_grad_()
        out = run(x * 1)
        weights = random(*out.shape, seed=1)
        results.append([out.detach(), *torch.autograd.grad((out * weights).sum(), [x, *layer.parameters()])])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_what_is_viewed_belongs_to_the_graph(amd):
    """`joint_projection.py` takes the tensor that queries, keys and values are parts of."""
    out = onednn_linear(random(3, 4, 5).requires_grad_(), random(6, 5, seed=1)).reshape(3, 4, 2, 3)[:, :, 0]
    assert out._base.grad_fn is not None
