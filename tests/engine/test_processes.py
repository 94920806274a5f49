"""Processes of a distributed training end together, and go on together or alone."""

import multiprocessing
import os
import signal
import time
import unittest.mock
from functools import partial
from pathlib import Path

import pytest
from command_line import Forked, ranks
from tiny_training import At, config, equal, everything, signalled, train

from sacl_mm.engine.launch import build_runner, run_tool


def training(work_dir: Path, what: str, timeout: int = 600, epochs: int = 2) -> None:
    """Of one process of two."""
    cfg = config(work_dir, launcher='pytorch', resume=True, log_level='INFO')
    cfg.train_dataloader.batch_size = 2
    cfg.train_cfg.max_epochs = epochs
    cfg.env_cfg = dict(dist_cfg=dict(timeout=timeout))
    cfg.default_hooks = dict(
        logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='CheckpointHook', interval=1)
    )
    with unittest.mock.patch('mmengine.runner.runner.collect_env', dict):
        runner = build_runner(cfg)
    if runner.rank == 1:
        act(runner, what)
    runner.train()


def act(runner, what: str) -> None:
    """What one of the two processes does after some iterations."""

    def fail(runner):
        raise OSError(5, 'Input/output error', 'image.jpg')

    acts = dict(hangs=lambda runner: time.sleep(1000), raises=fail, signalled=signalled(signal.SIGTERM))
    if what in acts:
        runner.register_hook(At(4, acts[what]))


def start(*settings) -> list[Forked]:
    return [Forked(partial(run_tool, partial(training, *settings)), place) for place in ranks(2)]


@pytest.mark.parametrize(
    ('what', 'message'),
    [('hangs', 'process 0: another process of this run has ended, or does not answer'), ('raises', "'image.jpg'")],
    ids=['a hanging rank', 'an exception on one rank'],
)
def test_one_rank_stops_all_with_one_line(tmp_path, what, message):
    """Where it hangs, the launcher kills it once the other one has ended."""
    first, second = start(tmp_path / 'run', what, 8)
    ended = [first.end(), second.end() if what == 'raises' else None]
    if what == 'hangs':
        second.process.kill()
        second.process.join()
    for done in filter(None, ended):
        assert done.returncode == 1
        assert 'Traceback' not in done.stderr
        assert done.stderr.count('error: ') == 1
    assert message in first.output() + second.output()


def test_launcher_killed_with_sigkill_ends_the_workers_which_save(tmp_path):
    def launcher() -> None:
        act = partial(run_tool, partial(training, tmp_path / 'run', 'nothing', 600, 10_000))
        for place in ranks(2):
            os.environ.update(place)
            multiprocessing.get_context('fork').Process(target=act).start()
        time.sleep(1000)

    reading, writing = os.pipe()
    process = Forked(launcher)
    os.close(writing)
    process.wait_for('Epoch(train)')
    process.process.kill()
    process.process.join()
    begin = time.monotonic()
    with open(reading, 'rb') as alive:
        alive.read()  # until the last of the workers, which hold the other end, has ended
    assert time.monotonic() - begin < 60
    assert 'is gone: process' in process.output()
    assert 'SIGTERM: saved after' in process.output()


def test_a_signal_to_one_of_two_processes_and_then_one_goes_on(whole, tmp_path):
    """Of the same global batch; equal but for rounding, which Adam makes the most of."""
    work_dir = tmp_path / 'run'
    output = ''.join(process.end().stdout for process in start(work_dir, 'signalled'))
    assert 'SIGTERM: saved after 4 iterations' in output, output[-3000:]
    assert [path.name for path in work_dir.glob('*.pth')] == ['snapshot_iter_4.pth']
    runner = train(work_dir, resume=True)
    assert runner.iter == 12
    one, two = whole, everything(work_dir / 'epoch_2.pth')
    assert equal(one['param_schedulers'], two['param_schedulers'])
    assert set(one['state_dict']['queue.image_ids'].tolist()) == set(two['state_dict']['queue.image_ids'].tolist())
    name = 'towers.image_projection.weight'
    difference = (one['state_dict'][name] - two['state_dict'][name]).abs().max()
    assert difference < 1e-3
    assert config(work_dir).train_dataloader.batch_size == 4
