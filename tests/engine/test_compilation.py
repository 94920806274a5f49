"""Compiled layers compute what they computed before, and leave checkpoints as they are."""

import pytest
import torch
from tiny import MERGING, TOWERS, batch, build

from sacl_mm.engine.runner.resumable_runner import compile_layers


@pytest.mark.parametrize('changes', [dict(), dict(towers=dict(TOWERS, vision_backbone=dict(MERGING, guide='both')))])
def test_compiled_layers_give_the_same_loss_and_gradient(changes):
    models = build(**changes), build(**changes)
    names = list(models[1].state_dict())
    # The backend without a C++ compiler, which takes the same graphs.
    assert (
        compile_layers(models[1], dict(backend='aot_eager')) == 2 + 2 + 2
    )  # of the ViT, the text and the fusion encoder
    assert list(models[1].state_dict()) == names
    results = []
    for model in models:
        model.set_progress(3, 10, seed=0)
        loss, _ = model.parse_losses(model.loss(batch(model)))
        loss.backward()
        results.append((loss.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}))
    torch.testing.assert_close(*results)
