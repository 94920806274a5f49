"""A training that is resumed with other settings: what differs is said, and what may not differ is refused."""

import signal

import pytest
import torch
from tiny_training import Lines, at, config, equal, everything, loader, signalled, train

from sacl_mm.engine.interruption import ToBeContinued
from sacl_mm.user_error import UserError


def test_a_lower_learning_rate_counts_from_where_it_is_given(one_epoch, tmp_path):
    one_epoch('one')
    train(tmp_path / 'all', optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4)))
    changed = dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4)))
    runner = train(tmp_path / 'one', resume=True, **changed)
    assert runner.epoch == 2
    one, other = (everything(tmp_path / name / 'epoch_2.pth') for name in ('one', 'all'))
    assert equal(one['param_schedulers'], other['param_schedulers'])
    assert equal(one['optimizer']['param_groups'], other['optimizer']['param_groups'])


def test_what_differs_is_said_in_one_line(interrupted, tmp_path):
    interrupted()
    logs = []
    train(
        tmp_path,
        lambda runner: logs.append(Lines(runner)),
        resume=True,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        optim_wrapper=dict(constructor='TrainableOnlyConstructor', optimizer=dict(type='AdamW', lr=5e-4)),
    )
    (line,) = [line for line in logs[0].lines if 'resumed with other settings' in line]
    assert 'optim_wrapper.optimizer.lr 0.001 in the checkpoint, 0.0005 now' in line
    assert 'train_cfg.max_epochs 2 in the checkpoint, 3 now' in line
    assert 'This configuration wins; schedules are recomputed' in line


def test_fewer_epochs_than_are_done(finished, tmp_path):
    finished()
    logs = []
    train(
        tmp_path,
        lambda runner: logs.append(Lines(runner)),
        resume=True,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
    )
    assert '12 of 6 iterations are done: nothing is left to train' in logs[0]


def with_images(work_dir, count):
    dataset = dict(config(work_dir).train_dataloader.dataset, num_images=count)
    return loader(work_dir, dataset=dataset)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda folder: loader(folder, batch_size=8), 'global_batch_size 4 in the checkpoint, 8 now'),
        (lambda folder: loader(folder, batch_size=3), 'iterations_per_epoch 6 in the checkpoint, 8 now'),
        (lambda folder: with_images(folder, 28), 'samples 24 in the checkpoint, 28 now'),
        (lambda folder: dict(randomness=dict(seed=9)), 'seed 0 in the checkpoint, 9 now'),
        (
            lambda folder: loader(folder, sampler=dict(type='EpochSampler', shuffle=False)),
            'train_dataloader.sampler.shuffle True in the checkpoint, False now',
        ),
        (
            lambda folder: loader(folder, dataset=dict(config(folder).train_dataloader.dataset, start=500)),
            'train_dataloader.dataset.start None in the checkpoint, 500 now',
        ),
    ],
    ids=['another global batch', 'a smaller batch', 'more images', 'another seed', 'another order', 'other images'],
)
def test_in_mid_epoch_the_order_of_samples_must_be_the_same(interrupted, tmp_path, change, message):
    interrupted()
    with pytest.raises(UserError, match=f'middle of epoch 2, where these must be the same: .*{message}'):
        train(tmp_path, resume=True, **change(tmp_path))


def test_at_the_end_of_an_epoch_the_batch_may_change(one_epoch, tmp_path):
    one_epoch()
    runner = train(tmp_path, resume=True, **loader(tmp_path, batch_size=8))
    assert (runner.epoch, runner.iter) == (2, 6)


def test_at_the_end_of_an_epoch_the_seed_may_change(one_epoch, tmp_path):
    one_epoch()
    runner = train(tmp_path, resume=True, randomness=dict(seed=9))
    assert runner.seed == runner.model.seed == runner.train_dataloader.sampler.seed == 9
    assert torch.load(tmp_path / 'epoch_2.pth', weights_only=True)['meta']['training']['seed'] == 9


def test_a_sampler_that_cannot_begin_in_the_middle(tmp_path):
    other = loader(tmp_path, sampler=dict(type='DefaultSampler', shuffle=True))
    with pytest.raises(ToBeContinued):
        train(tmp_path, at(8, signalled(signal.SIGTERM)), **other)
    with pytest.raises(UserError, match='a DefaultSampler cannot begin: set train_dataloader.sampler'):
        train(tmp_path, resume=True, **other)
