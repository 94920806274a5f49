"""Checkpoints are whole, the newest that can be read counts, and a work directory holds one training."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tiny_training import FULL, RETRIEVAL, Killed, Lines, at, config, equal, everything, killed, train

from sacl_mm.engine.work_dir import check_overwritable, locked, newest_checkpoint
from sacl_mm.user_error import UserError


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
def test_a_broken_newest_file_falls_back_to_the_one_before_it(whole, finished, tmp_path, how):
    finished()
    broken(tmp_path / 'epoch_2.pth', how)
    said = []
    path, meta = newest_checkpoint(tmp_path, said.append)
    assert (Path(path).name, meta['epoch']) == ('epoch_1.pth', 1)
    assert len(said) == 1
    assert 'epoch_2.pth' in said[0]
    assert 'goes on from epoch_1.pth instead' in said[0]
    train(tmp_path, resume=True)
    assert equal(everything(tmp_path / 'epoch_2.pth'), whole)


def test_nothing_but_broken_files_is_no_beginning(one_epoch, tmp_path):
    one_epoch()
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


def test_training_again_into_a_work_dir_that_has_a_run(finished, tmp_path):
    finished()
    with pytest.raises(UserError, match=r'holds a training already \(epoch_2.pth\): --resume goes on'):
        train(tmp_path)
    train(tmp_path, overwrite=True, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_another_loss_is_said(one_epoch, tmp_path):
    one_epoch()
    logs = []
    model = dict(config(tmp_path).model, contrastive_loss=dict(FULL['contrastive_loss'], temperature=0.5))
    train(tmp_path, lambda runner: logs.append(Lines(runner)), resume=True, model=model)
    assert 'model.contrastive_loss.temperature None in the checkpoint, 0.5 now' in logs[0]


def test_an_older_checkpoint_begins_another_training(finished, tmp_path):
    finished('run')
    first = str(tmp_path / 'run/epoch_1.pth')
    with pytest.raises(
        UserError, match=r'epoch_1.pth. is not the newest checkpoint .* holds epoch_2.pth: choose another'
    ):
        train(tmp_path / 'run', resume=True, load_from=first)
    train(tmp_path / 'other', resume=True, load_from=first)


def test_resuming_into_the_work_dir_of_another_training(finished, tmp_path):
    finished('one')
    finished('two')
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


def test_a_worker_that_outlives_its_killed_training_does_not_hold_the_lock(tmp_path):
    fork, works = multiprocessing.get_context('fork'), tmp_path / 'works'

    def work():
        works.write_text('')
        time.sleep(60)

    def training():
        with locked(tmp_path):
            worker = fork.Process(target=work)
            worker.start()
            while not works.exists():
                time.sleep(0.01)
            pids.put(worker.pid)
            time.sleep(60)

    pids = fork.SimpleQueue()
    killed_training = fork.Process(target=training)
    killed_training.start()
    worker = pids.get()
    killed_training.kill()
    killed_training.join()
    with locked(tmp_path):
        os.kill(worker, signal.SIGKILL)  # raises if it has ended


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
