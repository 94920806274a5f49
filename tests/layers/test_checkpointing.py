import pytest
import torch
from tiny import TOWERS, batch, build
from torch import nn

from sacl_mm.layers.checkpointing import in_checkpointed_chunks
from sacl_mm.registry import MODELS


def test_each_chunk_is_made_twice_and_only_a_chunk_is_held():
    layer, calls = nn.Linear(3, 3), []

    def encode(x, y):
        calls.append(len(x))
        return layer(x), None if y is None else x * y

    inputs = torch.randn(5, 3, requires_grad=True), torch.randn(5, 1)
    out = in_checkpointed_chunks(encode, 2, *inputs)
    torch.testing.assert_close(out, encode(*inputs))
    del calls[:]
    out[0].sum().backward()
    assert sorted(calls) == [1, 2, 2]
    assert in_checkpointed_chunks(encode, 2, inputs[0], None)[1] is None
    del calls[:]
    with torch.no_grad():
        in_checkpointed_chunks(encode, 2, *inputs)
    assert calls == [5]


@pytest.mark.parametrize(('rows', 'length_buckets'), [(1, 1), (3, 1), (4, 2)])
def test_pretraining_has_the_same_loss_and_gradients(rows, length_buckets):
    """The contrastive loss still compares all pairs of the batch."""
    model = build().double()
    data = batch(model, count=7)
    model.towers.text_backbone.length_buckets = model.multimodal_backbone.length_buckets = length_buckets
    data['images'] = data['images'].double()
    results = []
    for checkpoint_rows in (None, rows):
        model.towers.checkpoint_rows = model.multimodal_backbone.checkpoint_rows = checkpoint_rows
        model.zero_grad()
        loss, _ = model.parse_losses(model.loss(data))
        loss.backward()
        results.append([loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    torch.testing.assert_close(*results)


def test_batch_normalisation_would_see_a_chunk_alone():
    resnet = dict(type='mmpretrain.ResNet', depth=18, out_indices=(3,))
    towers = TOWERS | dict(
        vision_backbone=resnet, neck=dict(type='ImageTokenNeck', in_channels=512, out_channels=32), checkpoint_rows=2
    )
    model, images = MODELS.build(dict(towers, _scope_='sacl_mm')), torch.zeros(4, 3, 32, 32)
    with pytest.raises(ValueError, match='norm_eval=True'):
        model.encode_image(images)
    with torch.no_grad():
        model.encode_image(images)
    model.freeze_backbone = True
    model.train()
    model.encode_image(images)


def test_dropout_is_the_same_in_both_passes():
    dropout = nn.Dropout(0.5)
    x = torch.ones(40, 50, requires_grad=True)
    (out,) = in_checkpointed_chunks(lambda x: (dropout(x),), 8, x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match='checkpoint_rows must be at least 1'):
        in_checkpointed_chunks(lambda x: (x,), 0, torch.zeros(2, 1))
