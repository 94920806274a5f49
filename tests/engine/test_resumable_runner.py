"""Trainings that are cut off go on exactly; checkpoints are whole; what differs is said."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from tiny_training import FULL, RETRIEVAL, config, equal, everything, train

from sacl_mm.engine.interruption import EXIT_TO_BE_CONTINUED, ToBeContinued
from sacl_mm.engine.launch import run_tool
from sacl_mm.engine.work_dir import check_overwritable, locked, newest_checkpoint
from sacl_mm.user_error import NonFiniteError, UserError


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


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    train(folder)
    return everything(folder / 'epoch_2.pth')


# ------------------------------------------------------------------------------------------------ exact resume
@pytest.mark.parametrize('workers', [0, 2], ids='{} workers'.format)
@pytest.mark.parametrize('iteration', [2, 6, 9])
def test_a_signal_in_mid_epoch_loses_nothing(whole, tmp_path, iteration, workers):
    with pytest.raises(ToBeContinued) as end:
        train(tmp_path, at(iteration, signalled(signal.SIGTERM)))
    assert end.value.code == EXIT_TO_BE_CONTINUED
    train(tmp_path, resume=True, **{'train_dataloader': dict(config(tmp_path).train_dataloader, num_workers=workers)})
    assert equal(everything(tmp_path / 'epoch_2.pth'), whole)
    assert not list(tmp_path.glob('snapshot*'))


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


# ------------------------------------------------------------------------------------------------ validation
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


# ------------------------------------------------------------------------------------------------ other settings
def test_a_lower_learning_rate_counts_from_where_it_is_given(tmp_path):
    train(tmp_path / 'one', train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    train(tmp_path / 'all', optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4)))
    changed = dict(optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=5e-4)))
    runner = train(tmp_path / 'one', resume=True, **changed)
    assert runner.epoch == 2
    one, other = (everything(tmp_path / name / 'epoch_2.pth') for name in ('one', 'all'))
    assert equal(one['param_schedulers'], other['param_schedulers'])
    assert equal(one['optimizer']['param_groups'], other['optimizer']['param_groups'])


class Lines:
    """What is logged."""

    def __init__(self, runner):
        self.lines = []
        for level in ('warning', 'info'):
            setattr(runner.logger, level, lambda line, *_, **__: self.lines.append(line))

    def __contains__(self, words):
        return any(words in line for line in self.lines)


def test_what_differs_is_said_in_one_line(tmp_path):
    with pytest.raises(ToBeContinued):
        train(tmp_path, at(8, signalled(signal.SIGTERM)))
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


def test_fewer_epochs_than_are_done(tmp_path):
    train(tmp_path)
    logs = []
    train(
        tmp_path,
        lambda runner: logs.append(Lines(runner)),
        resume=True,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
    )
    assert '12 of 6 iterations are done: nothing is left to train' in logs[0]


def loader(work_dir, **changes):
    return dict(train_dataloader=dict(config(work_dir).train_dataloader, **changes))


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
def test_in_mid_epoch_the_order_of_samples_must_be_the_same(tmp_path, change, message):
    with pytest.raises(ToBeContinued):
        train(tmp_path, at(8, signalled(signal.SIGTERM)))
    with pytest.raises(UserError, match=f'middle of epoch 2, where these must be the same: .*{message}'):
        train(tmp_path, resume=True, **change(tmp_path))


def test_at_the_end_of_an_epoch_the_batch_may_change(tmp_path):
    train(tmp_path, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    runner = train(tmp_path, resume=True, **loader(tmp_path, batch_size=8))
    assert (runner.epoch, runner.iter) == (2, 6)


def test_at_the_end_of_an_epoch_the_seed_may_change(tmp_path):
    train(tmp_path, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    runner = train(tmp_path, resume=True, randomness=dict(seed=9))
    assert runner.seed == runner.model.seed == runner.train_dataloader.sampler.seed == 9
    assert torch.load(tmp_path / 'epoch_2.pth', weights_only=True)['meta']['training']['seed'] == 9


def test_a_sampler_that_cannot_begin_in_the_middle(tmp_path):
    other = loader(tmp_path, sampler=dict(type='DefaultSampler', shuffle=True))
    with pytest.raises(ToBeContinued):
        train(tmp_path, at(8, signalled(signal.SIGTERM)), **other)
    with pytest.raises(UserError, match='a DefaultSampler cannot begin: set train_dataloader.sampler'):
        train(tmp_path, resume=True, **other)


# ------------------------------------------------------------------------------------------------ files
def broken(path, how):
    content = path.read_bytes()
    if how == 'truncated':
        path.write_bytes(content[: len(content) // 2])
    elif how == 'empty':
        path.write_bytes(b'')
    elif how == 'one bit flipped':
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.write_text('<html>quota exceeded</html>')


@pytest.mark.parametrize('how', ['truncated', 'empty', 'one bit flipped', 'a web page'])
def test_a_broken_newest_file_falls_back_to_the_one_before_it(whole, tmp_path, how):
    train(tmp_path)
    broken(tmp_path / 'epoch_2.pth', how)
    said = []
    path, meta = newest_checkpoint(tmp_path, said.append)
    assert (Path(path).name, meta['epoch']) == ('epoch_1.pth', 1)
    assert len(said) == 1
    assert 'epoch_2.pth' in said[0]
    assert 'goes on from epoch_1.pth instead' in said[0]
    train(tmp_path, resume=True)
    assert equal(everything(tmp_path / 'epoch_2.pth'), whole)


def test_nothing_but_broken_files_is_no_beginning(tmp_path):
    train(tmp_path, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    broken(tmp_path / 'epoch_1.pth', 'truncated')
    with pytest.raises(UserError, match=r'epoch_1.pth.*start anew with --overwrite'):
        train(tmp_path, resume=True)


def test_a_copied_work_dir_goes_on_from_its_own_files(whole, tmp_path):
    first, copy = tmp_path / 'first', tmp_path / 'copy'
    hooks = dict(
        checkpoint=dict(type='CheckpointHook', interval=1, save_best='retrieval/R@mean', rule='less', minutes=None)
    )
    with pytest.raises(Killed):
        train(first, at(8, killed), default_hooks=hooks, **RETRIEVAL)
    before = {path: path.stat().st_mtime_ns for path in first.glob('*.pth')}
    assert any(path.name.startswith('best') for path in before)
    shutil.copytree(first, copy)
    (copy / 'last_checkpoint').unlink()
    runner = train(copy, default_hooks=hooks, resume=True, **RETRIEVAL)
    assert runner._load_from == str(copy / 'epoch_1.pth')
    assert equal(everything(copy / 'epoch_2.pth')['state_dict'], whole['state_dict'])
    assert {path: path.stat().st_mtime_ns for path in first.glob('*.pth')} == before


def test_training_again_into_a_work_dir_that_has_a_run(tmp_path):
    train(tmp_path)
    with pytest.raises(UserError, match=r'holds a training already \(epoch_2.pth\): --resume goes on'):
        train(tmp_path)
    train(tmp_path, overwrite=True, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_another_loss_is_said(tmp_path):
    train(tmp_path, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    logs = []
    model = dict(config(tmp_path).model, contrastive_loss=dict(FULL['contrastive_loss'], temperature=0.5))
    train(tmp_path, lambda runner: logs.append(Lines(runner)), resume=True, model=model)
    assert 'model.contrastive_loss.temperature None in the checkpoint, 0.5 now' in logs[0]


def test_an_older_checkpoint_begins_another_training(tmp_path):
    train(tmp_path / 'run')
    first = str(tmp_path / 'run/epoch_1.pth')
    with pytest.raises(
        UserError, match=r'epoch_1.pth. is not the newest checkpoint .* holds epoch_2.pth: choose another'
    ):
        train(tmp_path / 'run', resume=True, load_from=first)
    train(tmp_path / 'other', resume=True, load_from=first)


def test_resuming_into_the_work_dir_of_another_training(tmp_path):
    train(tmp_path / 'one')
    train(tmp_path / 'two')
    before = (tmp_path / 'two/epoch_2.pth').read_bytes()
    with pytest.raises(UserError, match='is not the newest checkpoint'):
        train(tmp_path / 'two', resume=True, load_from=str(tmp_path / 'one/epoch_2.pth'))
    assert (tmp_path / 'two/epoch_2.pth').read_bytes() == before


def test_overwriting_what_a_training_starts_from(tmp_path):
    (tmp_path / 'epoch_3.pth').touch()
    with pytest.raises(UserError, match=r'would delete .*epoch_3.pth., from which the training starts'):
        check_overwritable(tmp_path, None, str(tmp_path / 'epoch_3.pth'))
    check_overwritable(tmp_path, None, 'elsewhere.pth')


@pytest.mark.parametrize('save_best', ['auto', 'retrieval/TR/R@1', ['retrieval/R@mean', 'retrieval/IR/R@5']])
def test_our_measures_are_better_when_greater(tmp_path, save_best):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best=save_best))
    train(tmp_path, default_hooks=hooks, **RETRIEVAL)
    assert list(tmp_path.glob('best_*.pth'))


def test_a_misspelt_measure_of_save_best(tmp_path):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='retrieval/mAPP', rule='greater'))
    with pytest.raises(UserError, match="save_best='retrieval/mAPP' is not measured; there are .*retrieval/R@mean"):
        train(tmp_path, default_hooks=hooks, **RETRIEVAL)


def test_a_training_that_saves_nothing_says_so(tmp_path):
    logs = []
    train(tmp_path, lambda runner: logs.append(Lines(runner)), default_hooks=dict(checkpoint=None))
    assert 'nothing of this training is saved' in logs[0]


def test_two_runs_in_one_work_dir(tmp_path):
    with locked(tmp_path), pytest.raises(UserError, match=f'another training writes .*process {os.getpid()} on'):
        train(tmp_path)
    train(tmp_path)


def test_logs_without_a_checkpoint_are_no_run(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, at(1, killed))
    train(tmp_path)


def test_resuming_where_nothing_is_begins(whole, tmp_path):
    train(tmp_path, resume=True)
    assert equal(everything(tmp_path / 'epoch_2.pth'), whole)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    def full(checkpoint, filename, **options):
        Path(filename).write_bytes(b'half')
        raise OSError(28, 'No space left on device')

    def fill(runner):
        monkeypatch.setattr('mmengine.runner.runner.save_checkpoint', full)

    with pytest.raises(
        UserError, match=r'epoch_2.pth.* \(No space left on device\); the ones before it are as they were'
    ):
        train(tmp_path, at(8, fill))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.glob('*pth*')] == ['epoch_1.pth']
    assert newest_checkpoint(tmp_path, print)[1]['epoch'] == 1
    assert not list(tmp_path.glob('.*partial'))


def test_an_old_checkpoint_goes_after_the_new_one_is_there(tmp_path, monkeypatch):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1, minutes=None))

    def fill(runner):
        monkeypatch.setattr('mmengine.runner.runner.save_checkpoint', lambda *_, **__: killed(None))

    with pytest.raises(Killed):
        train(tmp_path, at(8, fill), default_hooks=hooks)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


# ------------------------------------------------------------------------------------------------ not finite
def poison(name, value=float('nan')):
    def act(runner):
        with torch.no_grad():
            dict(runner.model.named_parameters())[name].fill_(value)

    return act


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    act = poison('matching_head.classifier.weight')
    with pytest.raises(
        NonFiniteError, match=r'1 of the weights .*matching_head\.classifier\.weight\. They are not saved'
    ):
        train(tmp_path, at(12, act))
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_weights_that_are_not_finite_are_not_validated(tmp_path):
    act = at(6, poison('matching_head.classifier.weight'))
    with pytest.raises(NonFiniteError, match='They are not validated'):
        train(tmp_path, act, default_hooks=dict(checkpoint=None), **RETRIEVAL)


def test_the_best_checkpoint_is_not_a_diverged_one(tmp_path):
    hooks = dict(
        checkpoint=dict(
            type='CheckpointHook', interval=1, max_keep_ckpts=1, save_best='retrieval/R@mean', rule='greater'
        )
    )
    with pytest.raises(NonFiniteError, match='iteration 8'):
        train(tmp_path, at(8, poison('towers.image_projection.weight', 1e38)), default_hooks=hooks, **RETRIEVAL)
    assert {path.name for path in tmp_path.glob('*.pth')} == {'epoch_1.pth', 'best_retrieval_R@mean_epoch_1.pth'}


def test_a_training_whose_iterations_are_hidden_stops(tmp_path):
    with pytest.raises(UserError, match='set_progress|stands still'):
        train(tmp_path, default_hooks=dict(runtime_info=None))


def test_the_settings_of_the_queue_must_stay_on_resume(tmp_path):
    train(tmp_path, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    with pytest.raises(UserError, match=r'lacks queue\.'):
        train(tmp_path, resume=True, model=dict(config(tmp_path).model, queue_size=16))
    assert FULL['queue_size'] == 10


def test_a_hanging_data_loading_worker_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr('sacl_mm.datasets.ShapeWorld.__getitem__', lambda self, index: time.sleep(1000))
    with pytest.raises(SystemExit) as end:
        run_tool(lambda: train(tmp_path, **loader(tmp_path, num_workers=1, timeout=2)))
    assert 'DataLoader timed out after 2 seconds: a data loading worker hangs' in str(end.value)


def test_data_loading_workers_have_a_time_limit(tmp_path):
    runner = RUNNERS.build(config(tmp_path, **loader(tmp_path, num_workers=1)))
    assert runner.train_loop.dataloader.timeout == 900
