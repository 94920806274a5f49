"""Trainings of a few iterations in this process, by the Runner of the project's configurations."""

import itertools
import os
import unittest.mock

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from tiny import PIPELINE, model_config

_numbers = itertools.count()
SAMPLES, BATCH, EPOCHS = 24, 4, 2
POLICY = dict(
    type='MomentumDistillation',
    weight=0.4,
    ramp=0.1,
    base_policy=dict(type='SimilarityRegulation', similarity_temperature=0.3),
)
FULL = dict(
    contrastive_loss=dict(type='SACLContrastiveLoss', policy=POLICY),
    queue_size=10,
    momentum=dict(decay=0.9, mlm_distillation=0.4),
)
RETRIEVAL = dict(
    val_cfg=dict(type='ValLoop'),
    val_evaluator=dict(type='RetrievalMetric'),
    val_dataloader=dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(type='ShapeWorld', num_images=6, image_size=32, start=100, test_mode=True, pipeline=PIPELINE),
    ),
)


def config(work_dir, **changes) -> Config:
    """6 iterations an epoch, 2 epochs, teacher and queue; nothing is validated."""
    values = dict(
        runner_type='sacl_mm.ResumableRunner',
        default_scope='sacl_mm',
        experiment_name=f'tiny{next(_numbers)}',
        work_dir=str(work_dir),
        model=model_config(**FULL),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=EPOCHS),
        train_dataloader=dict(
            batch_size=BATCH,
            num_workers=0,
            drop_last=True,
            sampler=dict(type='EpochSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate'),
            dataset=dict(
                type='ShapeWorld', num_images=SAMPLES, image_size=32, pipeline=[dict(type='SampleCaption'), *PIPELINE]
            ),
        ),
        optim_wrapper=dict(constructor='TrainableOnlyConstructor', optimizer=dict(type='AdamW', lr=1e-3)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, end=3, by_epoch=False),
            dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, convert_to_iter_based=True),
        ],
        randomness=dict(seed=0),
        log_level='WARNING',
    )
    return Config(values | changes)


def train(work_dir, then=None, **changes):
    """The Runner after its training; `then(runner)` is called before it."""
    with unittest.mock.patch('mmengine.runner.runner.collect_env', dict):  # which takes longer than the training
        runner = RUNNERS.build(config(work_dir, **changes))
    if then is not None:
        then(runner)
    runner.train()
    return runner


def everything(path) -> dict:
    """What a resumed training must have in common with an uninterrupted one."""
    checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    return {name: checkpoint[name] for name in ('state_dict', 'optimizer', 'param_schedulers')}


def equal(one, other) -> bool:
    """Nested containers of tensors and plain values, bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(equal(*pair) for pair in zip(one, other, strict=True))
    return one == other


# ------------------------------------------------------------------------------------------------ what happens on the way
class At(Hook):
    """Does something after an iteration, before anything is saved."""

    priority = 'VERY_HIGH'

    def __init__(self, iteration, act):
        self.iteration, self.act = iteration, act

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            self.act(runner)


class Killed(BaseException):
    """Nothing of ours gets to see a SIGKILL; this is the same from within."""


def killed(runner):
    raise Killed


def signalled(number):
    return lambda runner: os.kill(os.getpid(), number)


def at(iteration, act):
    return lambda runner: runner.register_hook(At(iteration, act))


class Lines:
    """What is logged."""

    def __init__(self, runner):
        self.lines = []
        for level in ('warning', 'info'):
            setattr(runner.logger, level, lambda line, *_, **__: self.lines.append(line))

    def __contains__(self, words):
        return any(words in line for line in self.lines)


def loader(work_dir, **changes):
    return dict(train_dataloader=dict(config(work_dir).train_dataloader, **changes))
