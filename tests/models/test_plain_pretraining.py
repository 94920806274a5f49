"""What is made fast in a pre-training step equals the plain order of operations, in value and gradient: in float64, but for
the cross entropies of matching and of masked language modelling, which are computed in float32."""

import pytest
import torch
from plain_pretraining import plain_losses
from tiny import batch, build

DISTILLED = dict(
    contrastive_loss=dict(
        type='SACLContrastiveLoss',
        policy=dict(type='MomentumDistillation', weight=0.4, ramp=0.5, base_policy=dict(type='InfoNCE')),
    ),
    queue_size=32,
    momentum=dict(decay=0.9, mlm_distillation=0.4, ramp=0.5),
)


@pytest.mark.parametrize(
    'changes',
    [
        {},
        {'multimodal_backbone.length_buckets': 2, 'towers.text_backbone.length_buckets': 2},
        {'multimodal_backbone.checkpoint_rows': 5, 'towers.checkpoint_rows': 3},
    ],
    ids=['as it is', 'length buckets', 'checkpointed rows'],
)
def test_a_pretraining_step_equals_the_plain_one(changes):
    model = build(**DISTILLED).double()
    for name, value in changes.items():
        module, option = name.rsplit('.', 1)
        assert hasattr(model.get_submodule(module), option)
        setattr(model.get_submodule(module), option, value)
    data = batch(model, count=9)
    data['images'] = data['images'].double()
    for iteration in range(2):  # the first fills a part of the queue
        model.set_progress(iteration, 4, seed=0)
        expected = plain_losses(model, data)
        losses = {name: value for name, value in model.loss(data).items() if name in expected}
        torch.testing.assert_close(losses, expected, rtol=1e-6, atol=0, check_dtype=False)
        wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
        torch.testing.assert_close(
            torch.autograd.grad(sum(losses.values()), wanted),
            torch.autograd.grad(sum(expected.values()), wanted),
            rtol=1e-5,
            atol=1e-7,
        )
        model.after_step()
