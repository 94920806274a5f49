"""What the data must have is known before the first iteration."""

from types import SimpleNamespace

import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from sacl_mm.engine.checks.training_check import (
    LoaderSize,
    check_loaders,
    check_measured_data,
    check_schedules,
    check_training_data,
)
from sacl_mm.user_error import UserError


def train(samples=100, batch_size=8, per_epoch=None, drop_last=True):
    return LoaderSize('train_dataloader', samples, batch_size, samples if per_epoch is None else per_epoch, drop_last)


REFUSED = {
    'fewer images than a batch with drop_last': (
        train(479, 512),
        {},
        r'^train_dataloader: 479 images < batch_size 512, and drop_last',
    ),
    'one image fewer': (train(7, 8), {}, '7 images < batch_size 8'),
    "fewer than each process's batch": (
        train(479, 256, per_epoch=240),
        dict(world_size=2),
        r'240 images for each of 2 processes \(479 in all\) < batch_size 256',
    ),
    'no images': (train(0), {}, 'train_dataloader has no images'),
    'no images, not dropped': (train(0, drop_last=False), {}, 'has no images'),
    'queue smaller than the batch': (train(), dict(queue_size=7), 'queue of 7 cannot take a batch of 8'),
    'queue smaller than the gathered batch': (
        train(),
        dict(queue_size=16, world_size=3),
        r'queue of 16 cannot take a batch of 24 \(train_dataloader.batch_size 8 x 3 processes\): make queue_size at least 24',
    ),
}


@pytest.mark.parametrize(('size', 'options', 'message'), REFUSED.values(), ids=REFUSED)
def test_nothing_could_be_trained(size, options, message):
    with pytest.raises(UserError, match=message):
        check_training_data(size, **options)


def test_enough():
    for size, options in (
        (train(8, 8), {}),
        (train(7, 8, drop_last=False), {}),
        (train(), dict(queue_size=8)),
        (train(17, 8), {}),
        (train(17, 8, drop_last=False), dict(world_size=2)),
        (LoaderSize('train_dataloader', 3, 8, None, True), {}),  # an endless sampler
        (train(3, 1), dict(queue_size=4)),
    ):
        assert check_training_data(size, **options) == []


def test_warnings_of_a_training():
    (last,) = check_training_data(train(17, 8, drop_last=False))
    assert last.startswith('train_dataloader: the last batch of each epoch holds one image (of 17, batch_size 8)')
    (alone,) = check_training_data(train(17, 1))
    assert 'a batch of one image a contrastive loss has no negatives' in alone
    assert check_training_data(train(17, 1), world_size=2) == []


def test_measuring():
    val = LoaderSize('val_dataloader', 10, 4, 10)
    assert check_measured_data(val) == []
    assert check_measured_data(LoaderSize('val_dataloader', 1, 4, 1)) == [
        'val_dataloader has a single image: what is measured among one image is always right'
    ]
    (lost,) = check_measured_data(LoaderSize('val_dataloader', 10, 4, 10, drop_last=True))
    assert 'drop_last leaves 2 of 10 images out' in lost
    with pytest.raises(UserError, match='val_dataloader has no images'):
        check_measured_data(LoaderSize('val_dataloader', 0, 4, 0))


SCHEDULES = {
    'an end beyond the training': (
        dict(type='CosineAnnealingLR', end=9),
        'CosineAnnealingLR is not completed: its end is 9, the training has 8 epochs',
    ),
    'a warm-up longer than the training': (
        dict(type='LinearLR', by_epoch=False, end=1000),
        'LinearLR is not completed: its end is 1,000, the training has 24 iterations',
    ),
    'a begin beyond the training': (dict(type='StepLR', begin=8, end=9), 'StepLR never begins: its begin is 8'),
    'a class as type': (dict(type=DefaultSampler, begin=30, by_epoch=False), 'DefaultSampler never begins'),
}


@pytest.mark.parametrize(('schedule', 'message'), SCHEDULES.values(), ids=SCHEDULES)
def test_schedules_beyond_the_training(schedule, message):
    (warning,) = check_schedules([schedule], epochs=8, iterations=24)
    assert message in warning


def test_schedules_within_the_training():
    schedules = [
        dict(type='LinearLR', by_epoch=False, end=24),
        dict(type='CosineAnnealingLR', begin=2, end=8),
        dict(type='StepLR'),
    ]
    assert check_schedules(schedules, epochs=8, iterations=24) == []


def loader(samples=10, **options):
    return DataLoader(range(samples), sampler=DefaultSampler(range(samples)), **options)


def test_sizes_of_loaders():
    assert LoaderSize.of('x', loader(10, batch_size=4, drop_last=True)) == LoaderSize('x', 10, 4, 10, True)
    batches = BatchSampler(DefaultSampler(range(9)), batch_size=2, drop_last=True)
    endless = DataLoader(range(9), batch_size=2, sampler=InfiniteSampler(range(9)))
    assert LoaderSize.of('x', endless) == LoaderSize('x', 9, 2, None, False)
    of_batches = LoaderSize.of('x', DataLoader(range(9), batch_sampler=batches))
    assert (of_batches.batch_size, of_batches.drop_last) == (2, True)

    class Stream(IterableDataset):
        def __iter__(self):
            return iter(())

    assert LoaderSize.of('x', DataLoader(Stream(), batch_size=2)) is None


def runner(**changes):
    loops = dict(
        train_loop=SimpleNamespace(dataloader=loader(32, batch_size=8, drop_last=True), max_epochs=2, max_iters=8),
        val_loop=SimpleNamespace(dataloader=loader(10, batch_size=8)),
        model=SimpleNamespace(queue=SimpleNamespace(size=16)),
        world_size=1,
        param_schedulers=[dict(type='LinearLR', end=2)],
        cfg=dict(optim_wrapper=dict(accumulative_counts=2)),
    )
    return SimpleNamespace(**loops | changes)


def test_a_whole_training():
    assert check_loaders(runner()) == []
    assert check_loaders(runner(model=SimpleNamespace(queue=None), val_loop=None, param_schedulers=None, cfg={})) == []
    found = check_loaders(
        runner(
            val_loop=SimpleNamespace(dataloader=loader(1, batch_size=8)),
            param_schedulers=dict(image=dict(type='LinearLR', end=9), text=[dict(type='StepLR', begin=2)]),
            cfg=dict(optim_wrapper=dict(accumulative_counts=9)),
        )
    )
    assert [line.split()[0] for line in found] == [
        'val_dataloader',
        'param_scheduler',
        'param_scheduler',
        'optim_wrapper:',
    ]
    with pytest.raises(UserError, match='queue of 4 cannot take a batch of 8'):
        check_loaders(runner(model=SimpleNamespace(queue=SimpleNamespace(size=4))))
