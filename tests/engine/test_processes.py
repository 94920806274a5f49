"""Processes of a distributed training end together, and go on together or alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_resumable_runner import At, signalled
from test_tools import ROOT, environment
from tiny_training import config, equal, everything, train

SCRIPT = """
import sys
sys.path[:0] = ['tests', 'tests/engine']
from sacl_mm.engine.launch import build_runner, run_tool
from test_processes import act
from tiny_training import config
import unittest.mock

def main():
    cfg = config(sys.argv[1], launcher='pytorch', resume=True, log_level='INFO')
    cfg.train_dataloader.batch_size = 2
    cfg.train_cfg.max_epochs = int(sys.argv[4])
    cfg.env_cfg = dict(dist_cfg=dict(timeout=int(sys.argv[3])))
    cfg.default_hooks = dict(logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='CheckpointHook', interval=1))
    with unittest.mock.patch('mmengine.runner.runner.collect_env', dict):
        runner = build_runner(cfg)
    act(runner, sys.argv[2])
    runner.train()

run_tool(main)
"""


def act(runner, what: str) -> None:
    """What one of the two processes does after some iterations."""
    if runner.rank == 1 and what == 'hangs':

        def hang(runner):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # else the launcher waits half a minute before it kills
            time.sleep(1000)

        runner.register_hook(At(4, hang))
    if runner.rank == 1 and what == 'raises':

        def fail(runner):
            raise OSError(5, 'Input/output error', 'image.jpg')

        runner.register_hook(At(4, fail))
    if runner.rank == 1 and what == 'is signalled':
        runner.register_hook(At(4, signalled(signal.SIGTERM)))


def start(work_dir: Path, what: str, timeout: int = 600, epochs: int = 2) -> subprocess.Popen:
    port = str(20000 + os.getpid() % 20000)
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node', '2', '--master_port', port]
    script = work_dir.with_suffix('.py')
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [*command, str(script), str(work_dir), what, str(timeout), str(epochs)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def output_of(process: subprocess.Popen, seconds: float = 120) -> str:
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f'not ended after {seconds} s:\n{process.communicate()[0][-3000:]}')


@pytest.mark.parametrize(
    ('what', 'message'),
    [('hangs', 'process 0: another process of this run has ended, or does not answer'), ('raises', "'image.jpg'")],
    ids=['a hanging rank', 'an exception on one rank'],
)
def test_one_rank_stops_all_with_one_line(tmp_path, what, message):
    with start(tmp_path / 'run', what, timeout=20) as process:
        output = output_of(process)
    assert process.returncode != 0
    assert message in output
    assert 'Traceback (most recent call last):\n  File "/' not in output.split('torch/distributed/run.py')[0]


def test_launcher_killed_with_sigkill_ends_the_workers_which_save(tmp_path):
    with start(tmp_path / 'run', 'nothing', epochs=10_000) as process:
        for line in process.stdout:
            if 'Epoch(train)' in line:
                process.kill()
                break
        begin = time.monotonic()
        output = process.stdout.read()  # until the last of the workers, which write there, has ended
    assert time.monotonic() - begin < 60
    assert 'is gone: process' in output
    assert 'SIGTERM: saved after' in output


def test_a_signal_to_one_of_two_processes_and_then_one_goes_on(tmp_path):
    """Of the same global batch; equal but for rounding, which Adam makes the most of."""
    work_dir = tmp_path / 'run'
    with start(work_dir, 'is signalled') as process:
        output = output_of(process)
    assert 'SIGTERM: saved after 4 iterations' in output, output[-3000:]
    assert [path.name for path in work_dir.glob('*.pth')] == ['snapshot_iter_4.pth']
    train(tmp_path / 'whole')
    runner = train(work_dir, resume=True)
    assert runner.iter == 12
    one, two = (everything(folder / 'epoch_2.pth') for folder in (tmp_path / 'whole', work_dir))
    assert equal(one['param_schedulers'], two['param_schedulers'])
    assert set(one['state_dict']['queue.image_ids'].tolist()) == set(two['state_dict']['queue.image_ids'].tolist())
    name = 'towers.image_projection.weight'
    difference = (one['state_dict'][name] - two['state_dict'][name]).abs().max()
    assert difference < 1e-3
    assert config(work_dir).train_dataloader.batch_size == 4
