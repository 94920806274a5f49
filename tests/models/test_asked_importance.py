"""A text says what counts for more when tokens are merged (`guide='both'`)."""

import copy

import pytest
import torch
from gloo import run_on_processes
from mmengine.dataset import pseudo_collate
from test_downstream import build_vqa, questions
from tiny import MERGING, TOWERS, build, world

from sacl_mm.functional.distributed import world_size
from sacl_mm.layers.token_reduction import asked_importance
from sacl_mm.registry import MODELS


@pytest.mark.parametrize('sizes', [None, [[1, 1, 2, 5], [3, 1, 1, 1]]])
def test_what_a_text_asks_for_counts_for_more(sizes):
    query, tokens = torch.randn(2, 8, dtype=torch.float64), torch.randn(2, 4, 8, dtype=torch.float64)
    sizes = None if sizes is None else torch.tensor(sizes, dtype=torch.float64)
    torch.testing.assert_close(asked_importance(0 * query, tokens, sizes), torch.ones(2, 4).double())
    found = asked_importance(query, tokens, sizes)
    times = torch.ones(2, 4) if sizes is None else sizes
    for b in range(2):
        keys = [(token - token.mean()) / (token.var(correction=0) + 1e-5).sqrt() for token in tokens[b, 1:]]
        raw = torch.stack([(query[b] @ key / 8**0.5).exp() for key in keys])
        expected = raw / (raw * times[b, 1:]).sum() * times[b, 1:].sum()
        torch.testing.assert_close(found[b], torch.cat([torch.ones(1), expected]))
    assert asked_importance(1e4 * query, tokens, sizes).min() > 0


@pytest.mark.parametrize('layers', [(1,), (1, 2)])
def test_both_begins_as_merging_and_learns_from_the_text(layers):
    torch.manual_seed(0)
    options = dict(MERGING, keep_rate=0.5, reduction_layers=layers)
    merging, both = (MODELS.build(options | dict(guide=guide)) for guide in ('similarity', 'both'))
    merging.double().eval(), both.double().eval()
    fits = both.load_state_dict(merging.state_dict(), strict=False)
    assert fits.missing_keys == [f'text_queries.{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')]
    images, texts = torch.randn(1, 3, 32, 32).double().expand(2, -1, -1, -1), 100 * torch.randn(2, 32).double()
    torch.testing.assert_close(tuple(both(images, texts)), tuple(merging(images)))
    sizes, tokens = both(images, texts)
    (tokens.square().sum() + sizes.square().sum()).backward()
    assert all(layer.weight.grad.abs().max() > 0 for layer in both.text_queries.values())
    for layer in both.text_queries.values():
        layer.weight.data = 10 * torch.eye(32).double()
    sizes, tokens = both(images, texts)
    torch.testing.assert_close(both(images, 5 * texts).tokens, tokens)
    assert not torch.allclose(tokens[0], tokens[1])
    assert not torch.allclose(sizes[0], sizes[1])
    torch.testing.assert_close(sizes.sum(dim=1), torch.full((2,), 17.0).double())


def test_the_gradient_of_what_is_asked_for():
    """Through means and sizes, in the transformer and in the fusion encoder: as finite differences have it."""
    torch.manual_seed(0)
    model = build_vqa()
    model.towers.vision_backbone = MODELS.build(dict(MERGING, guide='both', keep_rate=0.5, reduction_layers=(1, 2)))
    model.double().eval()
    for weight in model.parameters():  # so that images matter
        torch.nn.init.normal_(weight, std=0.3)
    data = questions(model)
    data |= dict(images=data['images'].double())
    reading = torch.randn_like(model.fuse(data))

    def read():
        return (model.fuse(data) * reading).sum()

    read().backward()
    for layer in model.towers.vision_backbone.text_queries.values():
        way, step = torch.randn_like(layer.weight), 1e-6
        layer.weight.data += step * way
        more = read().item()
        layer.weight.data -= 2 * step * way
        less = read().item()
        layer.weight.data += step * way
        expected = (more - less) / (2 * step)
        assert abs(expected) > 1e-3
        assert (layer.weight.grad * way).sum().item() == pytest.approx(expected, rel=1e-5)


def asked_gradients(rows):
    """Of a step on the pairs `rows` of a batch, averaged over processes."""
    torch.manual_seed(0)
    model = (
        build(towers=copy.deepcopy(dict(TOWERS, vision_backbone=dict(MERGING, guide='both', keep_rate=0.5))))
        .double()
        .eval()
    )
    layer = model.towers.vision_backbone.text_queries['1']
    torch.nn.init.normal_(layer.weight)
    dataset = world(8)
    data = model.data_preprocessor(pseudo_collate([dataset[row] for row in rows]))
    data |= dict(images=data['images'].double())
    model.set_progress(3, 4, seed=0)
    sum(value.sum() for key, value in model.loss(data).items() if key.startswith('loss')).backward()
    if world_size() > 1:
        torch.distributed.all_reduce(layer.weight.grad)
    return layer.weight.grad.div(world_size()).numpy()


def asked_gradients_on_rank(rank):
    return asked_gradients(range(8)[rank::2])


def test_other_processes_texts_learn_from_negatives_here():
    expected = asked_gradients(range(8))
    for found in run_on_processes(2, asked_gradients_on_rank):
        torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(expected), rtol=1e-4, atol=1e-9)
