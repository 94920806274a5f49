"""Trainings that are cut off go on exactly, and validate what they had not."""

import os
import shutil
import signal

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tiny_training import RETRIEVAL, Killed, at, config, equal, everything, killed, loader, signalled, train

from sacl_mm.engine.interruption import EXIT_TO_BE_CONTINUED, ToBeContinued
from sacl_mm.user_error import UserError


@pytest.mark.parametrize('iteration', [2, 6, 9])
def test_a_signal_in_mid_epoch_loses_nothing(whole, tmp_path, iteration):
    with pytest.raises(ToBeContinued) as end:
        train(tmp_path / '0', at(iteration, signalled(signal.SIGTERM)))
    assert end.value.code == EXIT_TO_BE_CONTINUED
    shutil.copytree(tmp_path / '0', tmp_path / '2')
    for workers in (0, 2):
        folder = tmp_path / str(workers)
        train(folder, resume=True, **loader(folder, num_workers=workers))
        assert equal(everything(folder / 'epoch_2.pth'), whole)
        assert not list(folder.glob('snapshot*'))


@pytest.mark.parametrize(
    ('number', 'code'), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)], ids=lambda x: str(x)
)
def test_each_signal_has_its_exit_code_and_its_handlers_are_given_back(tmp_path, number, code):
    before = signal.getsignal(number)
    with pytest.raises(ToBeContinued) as end:
        train(tmp_path, at(3, signalled(number)))
    assert end.value.code == code
    assert signal.getsignal(number) == before
    assert [path.name for path in tmp_path.glob('*.pth')] == ['snapshot_iter_3.pth']


def test_a_second_ctrl_c_ends_at_once(tmp_path, monkeypatch):
    def twice(runner):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    def leave(code):
        raise Killed(code)

    monkeypatch.setattr('sacl_mm.engine.interruption.os._exit', leave)
    with pytest.raises(Killed, match='130'):
        train(tmp_path, at(3, twice))
    assert not list(tmp_path.glob('*.pth'))


CHECKPOINTS = dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2, iterations=2))


def test_killed_in_mid_epoch_it_goes_on_from_the_last_snapshot(whole, tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, at(11, killed), default_hooks=CHECKPOINTS)
    names = {path.name for path in tmp_path.glob('*.pth')}
    assert names == {'epoch_1.pth', 'snapshot_iter_8.pth', 'snapshot_iter_10.pth'}
    runner = train(tmp_path, at(11, lambda runner: None), default_hooks=CHECKPOINTS, resume=True)
    assert runner._load_from.endswith('snapshot_iter_10.pth')
    assert equal(everything(tmp_path / 'epoch_2.pth'), whole)


def test_what_went_before_is_not_read_again(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, at(5, killed), default_hooks=CHECKPOINTS)
    read = []

    def count(runner):
        dataset = runner.train_dataloader.dataset
        whole = dataset.__class__.__getitem__
        runner.train_dataloader.dataset.__class__ = type(
            'Counted', (dataset.__class__,), dict(__getitem__=lambda self, i: read.append(int(i)) or whole(self, i))
        )

    train(tmp_path, count, resume=True)
    assert len(read) == 2 * 4 + 24


def test_snapshots_by_the_clock(tmp_path):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, minutes=1e-6))
    with pytest.raises(Killed):
        train(tmp_path, at(4, killed), default_hooks=hooks)
    assert {path.name for path in tmp_path.glob('*.pth')} == {'snapshot_iter_2.pth', 'snapshot_iter_3.pth'}


def test_a_snapshot_waits_for_the_accumulated_gradients(tmp_path):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, iterations=3))
    optim_wrapper = dict(config(tmp_path).optim_wrapper, accumulative_counts=2)
    with pytest.raises(Killed):
        train(tmp_path, at(5, killed), default_hooks=hooks, optim_wrapper=optim_wrapper)
    assert [path.name for path in tmp_path.glob('*.pth')] == ['snapshot_iter_4.pth']


def test_the_end_of_an_epoch_in_the_middle_of_a_step(tmp_path):
    """6 iterations an epoch and a step every 4: what was accumulated goes on, too."""
    accumulating = dict(optim_wrapper=dict(config(tmp_path).optim_wrapper, accumulative_counts=4))
    train(tmp_path / 'whole', **accumulating)
    with pytest.raises(Killed):
        train(tmp_path / 'cut', at(7, killed), **accumulating)
    assert torch.load(tmp_path / 'cut/epoch_1.pth', weights_only=True)['gradients']
    train(tmp_path / 'cut', resume=True, **accumulating)
    assert equal(everything(tmp_path / 'cut/epoch_2.pth'), everything(tmp_path / 'whole/epoch_2.pth'))


@pytest.mark.parametrize(
    'lists',
    [
        dict(custom_hooks=[]),
        dict(custom_hooks=[dict(type='EmptyCacheHook')]),
        dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1))),
        dict(train_cfg=dict(by_epoch=True, max_epochs=2)),
    ],
    ids=['custom_hooks=[...] in the config of a user', 'a hook of MMEngine', 'default_hooks anew', 'a loop by_epoch'],
)
def test_no_setting_of_a_user_takes_teacher_queue_or_resume_away(whole, tmp_path, lists):
    with pytest.raises(ToBeContinued):
        train(tmp_path, at(9, signalled(signal.SIGTERM)), **lists)
    train(tmp_path, resume=True, **lists)
    found = everything(tmp_path / 'epoch_2.pth')
    assert found['state_dict']['queue.position'] > 0
    assert equal(found['state_dict'], whole['state_dict'])


def test_an_average_of_the_weights_goes_on_too(tmp_path):
    ema = dict(custom_hooks=[dict(type='EMAHook')])
    train(tmp_path / 'whole', **ema)
    with pytest.raises(ToBeContinued):
        train(tmp_path / 'cut', at(9, signalled(signal.SIGTERM)), **ema)
    train(tmp_path / 'cut', resume=True, **ema)
    one, other = (
        torch.load(tmp_path / name / 'epoch_2.pth', map_location='cpu', weights_only=True) for name in ('whole', 'cut')
    )
    assert equal(other['state_dict'], one['state_dict'])
    assert equal(other['ema_state_dict'], one['ema_state_dict'])


def mmengines_own_runner(work_dir, custom_hooks):
    """As by other libraries' tools."""
    hooks = dict(checkpoint=dict(type='mmengine.CheckpointHook', interval=1))
    cfg = config(work_dir, custom_hooks=custom_hooks, default_hooks=hooks)
    cfg.pop('runner_type')
    return Runner.from_cfg(cfg)


def test_mmengines_own_runner_is_told_what_it_lacks(tmp_path):
    with pytest.raises(
        UserError, match=r"set runner_type = 'sacl_mm.ResumableRunner', or custom_hooks = .*PlainCheckpointHook"
    ):
        mmengines_own_runner(tmp_path, []).train()


def test_mmengines_own_runner_trains_the_method_and_writes_data(tmp_path):
    mmengines_own_runner(tmp_path, [dict(type='sacl_mm.PlainCheckpointHook')]).train()
    checkpoint = torch.load(tmp_path / 'epoch_2.pth', map_location='cpu', weights_only=True)
    state = checkpoint['state_dict']
    assert state['queue.position'] == 2 * 24 % 10
    name = 'towers.image_projection.weight'
    assert 0 < (state[name] - state[f'teacher.{name}']).norm() < 0.2 * state[name].norm()


def test_a_validation_that_was_cut_off_is_done_first(tmp_path):
    class InValidation(Hook):
        def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(ToBeContinued):
        train(tmp_path, lambda runner: runner.register_hook(InValidation(), 'VERY_HIGH'), **RETRIEVAL)
    assert not (tmp_path / 'last_validated_epoch').exists()
    validated = []

    class Count(Hook):
        def before_val(self, runner):
            validated.append(runner.epoch)

    train(tmp_path, lambda runner: runner.register_hook(Count()), resume=True, **RETRIEVAL)
    assert validated == [1, 2]
    train(tmp_path, lambda runner: runner.register_hook(Count()), resume=True, **RETRIEVAL)
    assert validated == [1, 2]  # all is done
