"""What is computed again in the backward pass is what it was: losses and gradients are equal, bit by bit."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.checkpoint import checkpoint
from transformers import BertConfig, BertModel

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.layers import FusionLayer, recomputation
from sacl_mm.layers.attention import KeyValue
from sacl_mm.layers.quick_gelu import QuickGELU
from sacl_mm.layers.recomputation import recomputable, recomputed_activations

AMP = dict(device_type='cpu', dtype=torch.bfloat16)


def perceptron(activation=nn.GELU):
    torch.manual_seed(0)
    return nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), activation(), nn.Dropout(0.0), nn.Linear(8, 5))


def bert():
    torch.manual_seed(0)
    config = BertConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=10)
    model = BertModel(config, add_pooling_layer=False)
    return lambda x: model(inputs_embeds=x).last_hidden_state, list(model.parameters())


def vision_transformer():
    torch.manual_seed(0)
    load_mmpretrain()
    from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

    layer = TransformerEncoderLayer(8, 2, 16)
    layer.init_weights()
    return layer, list(layer.parameters())


def fusion_layer():
    torch.manual_seed(0)
    layer = FusionLayer(8, 8, 2, 16, dropout=0.1)
    picture_R = torch.tensor([1, 0])
    mask_BL = torch.ones(4, 6, dtype=torch.bool)
    return lambda x: layer(x, mask_BL, layer.project(x[:2]), picture_R), list(layer.parameters())


def value_and_gradients(make, amp, plain, monkeypatch):
    function, parameters = make()
    x = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with monkeypatch.context() as patch:
        if plain:
            patch.setattr(recomputation, '_SPECIAL', {})
        torch.manual_seed(2)
        with torch.autocast(**AMP, enabled=amp), recomputed_activations():
            out = function(x * 1)  # of leaves, autocast shares a cast, whose gradients it adds up in bfloat16
        weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(3))
        return [out.detach(), *torch.autograd.grad((out * weights).sum(), [x, *parameters], allow_unused=True)]


@pytest.mark.parametrize('amp', [False, True], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('make', [bert, vision_transformer, fusion_layer])
def test_values_and_gradients_are_the_same_in_every_bit(make, amp, monkeypatch):
    expected = value_and_gradients(make, amp, True, monkeypatch)
    results = value_and_gradients(make, amp, False, monkeypatch)
    assert any(gradient is not None and gradient.any() for gradient in expected[2:])
    for mine, theirs in zip(results, expected, strict=True):
        assert (mine is None and theirs is None) or torch.equal(mine, theirs)


def outputs_of(model, x, amp=False):
    """What its layers yielded, as weak references, and the loss."""
    outputs = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: outputs.append(StorageWeakRef(out.untyped_storage())))
        for layer in model
        if not isinstance(layer, nn.Dropout)
    ]
    with torch.autocast(**AMP, enabled=amp), recomputed_activations():
        loss = model(x).float().square().sum()
    for hook in hooks:
        hook.remove()
    return outputs, loss


@pytest.mark.parametrize('amp', [False, True], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('activation', [nn.GELU, lambda: nn.GELU('tanh'), QuickGELU], ids=['gelu', 'tanh', 'quick'])
def test_outputs_of_normalisation_and_activation_are_not_kept(activation, amp):
    outputs, loss = outputs_of(perceptron(activation), torch.randn(3, 8, requires_grad=True), amp)
    normed, hidden, activated, _ = (output.expired() for output in outputs)
    assert normed
    assert activated
    assert hidden or not isinstance(activation(), QuickGELU), 'which keeps another multiple'
    loss.backward()


def test_a_cast_weight_is_not_kept_and_a_changed_one_is_noticed():
    linear = nn.Linear(8, 8)
    with torch.autocast(**AMP), recomputed_activations():
        loss = linear(torch.randn(3, 8, requires_grad=True)).sum()
    kept = [x.dtype for x in (loss.grad_fn.next_functions[0][0]._saved_mat2,)]
    assert kept == [torch.bfloat16]
    with torch.no_grad():
        linear.weight.mul_(2)
    with pytest.raises(RuntimeError, match=r'parameter of shape \(8, 8\) was changed before the backward pass'):
        loss.backward()


def test_what_was_changed_in_place_is_kept():
    """It can't be computed again from what it was made of."""
    x, weight = torch.randn(3, 8, requires_grad=True), torch.randn(5, 8, requires_grad=True)
    with recomputed_activations():
        hidden = F.gelu(x)
        hidden.mul_(2)
        F.linear(hidden, weight).sum().backward()
    torch.testing.assert_close(weight.grad, (2 * F.gelu(x)).sum(0).expand(5, 8))


def test_gradients_of_gradients():
    results = []
    for context in (nullcontext, recomputed_activations):
        model, x = perceptron().double(), torch.ones(3, 8, dtype=torch.float64, requires_grad=True)
        with context():
            out = model(x.cumsum(0).sin())
        (gradient,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(gradient.square().sum(), [x, *model.parameters()]))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize('amp', [False, True], ids=['float32', 'bfloat16'])
def test_inside_of_checkpointing_nothing_changes(amp):
    model, x = perceptron(), torch.randn(3, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    results = []
    for context in (nullcontext, recomputed_activations):
        with torch.autocast(**AMP, enabled=amp), context():
            # The activation is in what is checkpointed, what reads it is not.
            out = model[4](checkpoint(model[:3], x, use_reentrant=False))
        results.append(torch.autograd.grad(out.float().square().sum(), [x, *model.parameters()]))
    for mine, theirs in zip(*results, strict=True):
        assert torch.equal(mine, theirs)


def test_copies_for_other_rows_are_not_kept():
    key = torch.randn(2, 2, 7, 4, requires_grad=True)
    copied = KeyValue(key * 2, key * 3).rows(torch.tensor([1, 1, 0]))
    storage = StorageWeakRef(copied.key.untyped_storage())
    with recomputed_activations():
        out = F.scaled_dot_product_attention(torch.ones(3, 2, 5, 4), *copied)
    mine, rows = torch.autograd.grad(out.square().sum(), key), torch.tensor([1, 1, 0])
    del copied
    assert storage.expired()
    out = F.scaled_dot_product_attention(torch.ones(3, 2, 5, 4), (key * 2)[rows], (key * 3)[rows])
    torch.testing.assert_close(mine, torch.autograd.grad(out.square().sum(), key))


def test_in_inference_mode():
    with torch.inference_mode():
        assert torch.equal(KeyValue(torch.ones(2, 1), torch.ones(2, 1)).rows(torch.tensor([1])).key, torch.ones(1, 1))


def test_without_gradient_or_without_the_hook_all_is_pytorchs(monkeypatch):
    with torch.no_grad(), recomputed_activations():
        assert not torch.overrides._get_current_function_mode_stack()
    monkeypatch.setattr(recomputation, '_outer_hooks', None)
    outputs, _ = outputs_of(perceptron(), torch.randn(3, 8, requires_grad=True))
    assert not any(output.expired() for output in outputs[:3])


def test_of_another_shape_it_would_be_noticed():
    """`recomputable` is as good as its promise."""
    weight = torch.randn(5, 8, requires_grad=True)
    x = recomputable(torch.ones(3, 8, requires_grad=True), lambda: torch.ones(1))
    with recomputed_activations():
        loss = F.linear(x, weight).sum()
    with pytest.raises(RuntimeError, match='out of bounds'):
        loss.backward()


def test_compilers_see_nothing_of_it():
    def function(x):
        key = KeyValue(x, 2 * x).rows(torch.tensor([1, 0])).key
        with recomputed_activations():
            return F.linear(F.gelu(QuickGELU()(key)), x)

    x = torch.randn(2, 8, requires_grad=True)
    compiled = torch.compile(function, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(x), function(x))
