"""Settings of an optimizer with which a training can only diverge, or stand still."""

import math

import pytest

from sacl_mm.engine.checks.optimizer_check import check_optimizer
from sacl_mm.user_error import UserError

NAN, INF = math.nan, math.inf


def wrapper(**changes):
    return dict(type='OptimWrapper', optimizer=dict(dict(type='AdamW', lr=1e-3), **changes))


OPTIMIZERS = [
    *[(wrapper(lr=lr), 'optimizer.lr must be') for lr in (1e3, 1e30, 1, -1e-3, 0, NAN, INF, '1e-3')],
    *[(wrapper(type='SGD', lr=lr), 'optimizer.lr must be') for lr in (1e3, -1, NAN)],
    *[(wrapper(weight_decay=value), 'optimizer.weight_decay must be') for value in (-1, NAN, INF)],
    *[
        (wrapper(betas=value), 'optimizer.betas must be')
        for value in ((1.0, 0.999), (0.9, 1.5), (-0.1, 0.9), (NAN, 0.9), 0.9)
    ],
    *[(wrapper(eps=value), 'optimizer.eps must be') for value in (-1e-8, NAN)],
    *[(wrapper(type='SGD', momentum=value), 'optimizer.momentum must be') for value in (1.0, -0.9, NAN)],
    *[(dict(wrapper(), clip_grad=dict(max_norm=value)), 'clip_grad.max_norm must be') for value in (-1, 0, NAN)],
    *[(dict(wrapper(), clip_grad=dict(clip_value=value)), 'clip_grad.clip_value must be') for value in (-1, 0)],
    *[(dict(wrapper(), accumulative_counts=value), 'accumulative_counts must be') for value in (0, -1, 1.5, None)],
    *[(dict(wrapper(), paramwise_cfg=dict(bias_lr_mult=value)), 'paramwise_cfg.bias_lr_mult') for value in (-1, NAN)],
    *[
        (
            dict(wrapper(), paramwise_cfg=dict(custom_keys={'towers.vision_backbone': {key: -1.0}})),
            f'towers.vision_backbone.{key}',
        )
        for key in ('lr_mult', 'decay_mult')
    ],
]


@pytest.mark.parametrize(('config', 'message'), OPTIMIZERS, ids=[str(config)[:130] for config, _ in OPTIMIZERS])
def test_an_optimizer_that_can_only_diverge_or_stand_still_is_refused(config, message):
    with pytest.raises(UserError, match=message) as caught:
        check_optimizer(config)
    assert str(caught.value).startswith('optim_wrapper.')


@pytest.mark.parametrize(
    'config',
    [
        wrapper(),
        wrapper(betas=(0.9, 0.98), weight_decay=0.05, fused=True),
        wrapper(type='SGD', lr=1.0, momentum=0.9),
        wrapper(type='LARS', lr=4.8),
        wrapper(type='Prodigy', lr=1.0),
        dict(wrapper(), clip_grad=dict(max_norm=1.0), accumulative_counts=4),
        dict(wrapper(), clip_grad=None, paramwise_cfg=dict(custom_keys={'log_temperature': dict(decay_mult=0.0)})),
        dict(wrapper(), clip_grad=dict(max_norm=INF)),
        wrapper(type='Adafactor', eps=(1e-30, 1e-3), lr=None),
        dict(type='OptimWrapper'),
    ],
    ids=str,
)
def test_an_optimizer_that_can_learn_is_not_refused(config, monkeypatch):
    monkeypatch.setattr('sacl_mm.engine.checks.optimizer_check.print_log', lambda *_, **__: pytest.fail('warned'))
    check_optimizer(config)


def test_a_learning_rate_that_few_survive_is_warned_of(monkeypatch):
    messages = []
    monkeypatch.setattr(
        'sacl_mm.engine.checks.optimizer_check.print_log', lambda message, **_: messages.append(message)
    )
    check_optimizer(wrapper(lr=0.5))
    assert messages[0].startswith('optim_wrapper.optimizer.lr is 0.5: with AdamW')
