#!/usr/bin/env python
"""Kill a training again and again, resume it, and compare its end with that of a training that nobody killed.

    python tools/fault_tests/kill_and_resume.py WORK_DIR [--kills 20] [--workers 0 2] [--processes 2] [--seed 0]

The embedded world's full recipe (teacher, queue, reference model, distillation) at small size, with a snapshot every two
iterations. Each life ends with a SIGKILL at a moment that is drawn: while it starts, loads data, computes the loss or the
gradient, writes a checkpoint (half written, or written and not renamed), validates, or just somewhere in time. Weights,
teacher, queue, optimizer and schedulers must be bit-equal in the end.

With --processes 2 it is one of two gloo processes that is killed, and the launcher ends the other. --to-one goes on from
there on one process with the same global batch, in float64, where the end must be equal to 1e-5.
"""

import argparse
import multiprocessing
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# The moments, and how often a training may come to them before it is killed.
_TIMES = {
    'start': 1,
    'data': 40,
    'loss': 6,
    'backward': 6,
    'half a file': 2,
    'before rename': 2,
    'validation': 1,
    'time': 1,
}
BATCH = 16
SMALL = [
    'model.towers.vision_backbone.base_channels=8',
    'model.towers.vision_backbone.stem_channels=8',
    'model.towers.neck.in_channels=64',
    'train_dataloader.dataset.num_images=96',
    'val_dataloader.dataset.num_images=20',
    'test_dataloader.dataset.num_images=20',
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.iterations=2',
]


# ------------------------------------------------------------------------------------------------ a life
def live(moment: str, count: int, arguments: list[str], float64: bool) -> None:
    """A training in this process, killed the `count`-th time that it comes to the moment."""
    if float64:
        _compute_in_float64()
    if moment != 'none':
        _set_trap(moment, count)
    sys.argv = ['train.py', *arguments]
    runpy.run_path(str(ROOT / 'tools' / 'train.py'), run_name='__main__')


def _compute_in_float64() -> None:
    import torch

    from sacl_mm.models import ImageTextPreprocessor

    torch.set_default_dtype(torch.float64)
    prepare = ImageTextPreprocessor.forward

    def prepared(self, *given, **options) -> dict:
        batch = prepare(self, *given, **options)
        return batch | dict(images=batch['images'].double())

    ImageTextPreprocessor.forward = prepared


def _set_trap(moment: str, count: int) -> None:
    from mmengine.fileio import LocalBackend
    from mmengine.model import BaseModel
    from mmengine.optim import OptimWrapper

    from sacl_mm.datasets import ShapeWorld
    from sacl_mm.evaluation import RetrievalMetric
    from sacl_mm.models import SACLPretrain

    main_process, left = os.getpid(), [count]

    def half(self, content: bytes, path: str) -> None:
        Path(path).write_bytes(content[: len(content) // 2])
        os.kill(main_process, signal.SIGKILL)

    place, name = {
        'start': (BaseModel, 'init_weights'),
        'data': (ShapeWorld, '__getitem__'),
        'loss': (SACLPretrain, 'loss'),
        'backward': (OptimWrapper, 'backward'),
        'half a file': (LocalBackend, 'put'),
        'before rename': (os, 'replace'),
        'validation': (RetrievalMetric, 'process'),
    }[moment]
    whole = getattr(place, name)

    def trapped(*given, **options):
        left[0] -= 1
        if left[0] < 0:
            if moment == 'half a file':
                half(*given, **options)
            os.kill(main_process, signal.SIGKILL)
        return whole(*given, **options)

    setattr(place, name, trapped)


# ------------------------------------------------------------------------------------------------ the experiment
def run(
    work_dir: Path,
    options: list[str],
    log: Path,
    moment: str = 'none',
    count: int = 0,
    processes: int = 1,
    config: str = 'configs/shape_world/full.py',
    float64: bool = False,
    seconds: float | None = None,
) -> int:
    """A training's exit code; killed after some seconds, if any are given. A single process is forked: it has everything
    imported already."""
    training = [config, '--work-dir', str(work_dir), '--resume', *(['--launcher', 'pytorch'] if processes > 1 else [])]
    training += ['--cfg-options', *SMALL, f'train_dataloader.batch_size={BATCH // processes}', *options]
    if processes == 1:
        process = multiprocessing.get_context('fork').Process(
            target=logged, args=(log, moment, count, training, float64)
        )
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        return process.exitcode
    launcher = ['-m', 'torch.distributed.run', '--nproc_per_node', str(processes)]
    launcher += ['--master_port', str(20000 + os.getpid() % 20000)]
    victim = [__file__, str(work_dir), '--live', moment, '--count', str(count), *(['--float64'] if float64 else [])]
    environment = os.environ | dict(PYTHONPATH=str(ROOT))
    with log.open('a') as file:
        command = [sys.executable, *launcher, *victim, '--', *training]
        return subprocess.run(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT).returncode


def logged(log: Path, *life: object) -> None:
    """A life whose output goes to a file."""
    os.chdir(ROOT)
    sys.stdout = sys.stderr = log.open('a', buffering=1)
    for number in (1, 2):
        os.dup2(sys.stdout.fileno(), number)
    live(*life)


def kill_again_and_again(
    work_dir: Path, options: list[str], kills: int, processes: int, draw: random.Random
) -> list[str]:
    """Trains to the end; the moments at which it was killed."""
    log, moments = work_dir.with_suffix('.log'), []
    while len(moments) < kills:
        moment = draw.choice([moment for moment in _TIMES if processes == 1 or moment != 'time'])
        count = draw.randrange(_TIMES[moment])
        if moment == 'time':
            code = run(work_dir, options, log, seconds=draw.uniform(0.5, 8))
        else:
            code = run(work_dir, options, log, moment, count, processes)
        if code == 0:  # it was over before that moment came
            break
        if code not in (-signal.SIGKILL, 1):
            sys.exit(f'exit code {code} after {moment}: see {log}')
        moments.append(moment)
        print(f'  kill {len(moments)}: {moment} {count}', flush=True)
    code = run(work_dir, options, log, processes=processes)
    if code:
        sys.exit(f'exit code {code} without a kill: see {log}')
    return moments


def largest_difference(one: Path, other: Path) -> tuple[int, float]:
    """How many tensors and values differ, and by how much at most, relative to a tensor's largest where that is above 1.

    (Biases of keys consist of rounding alone: softmax takes no notice of them, Adam does.)
    """
    import torch
    from torch.utils._pytree import tree_flatten

    from sacl_mm.checkpoints.files import read_plain

    parts = []
    for path in (one, other):
        checkpoint = read_plain(path)
        leaves, shape = tree_flatten(
            {name: checkpoint[name] for name in ('state_dict', 'optimizer', 'param_schedulers')}
        )
        parts.append((leaves, shape))
    if parts[0][1] != parts[1][1]:
        sys.exit(f'{one} and {other} have other keys')
    differing, largest = 0, 0.0
    for a, b in zip(parts[0][0], parts[1][0], strict=True):
        if isinstance(a, torch.Tensor) and not torch.equal(a, b):
            differing += 1
            largest = max(largest, float((a.double() - b.double()).abs().max() / a.double().abs().max().clamp(min=1)))
        elif not isinstance(a, torch.Tensor) and a != b:
            differing += 1
    return differing, largest


def experiment(args: argparse.Namespace) -> None:
    os.environ['OMP_NUM_THREADS'] = '1'
    import sacl_mm.engine.launch
    import sacl_mm.models.backbones  # noqa: F401  (what the lives share)

    folder, draw = Path(args.work_dir), random.Random(args.seed)
    epochs = max(2, args.kills // 2)
    last = f'epoch_{epochs}.pth'
    reference = folder / 'reference'
    log = folder / 'reference.log'
    folder.mkdir(parents=True, exist_ok=True)
    options = [f'train_cfg.max_epochs={epochs}']
    infonce = 'configs/shape_world/infonce.py'
    if run(reference, options[:1], log, config=infonce, float64=args.to_one):
        sys.exit(f'the reference model failed: see {log}')
    # Processes fill the queue in another order, which is the same only if whole batches fit.
    queue = 3 * BATCH if args.to_one else 40
    options += [
        f'model.reference_checkpoint={reference / last}',
        f'model.queue_size={queue}',
        'train_cfg.val_interval=1',
    ]
    failed = False
    for workers in args.workers:
        # Persistent ones: CPython 3.11 now and then hangs in a fork while a thread of the workers before ends.
        loading = [*options, f'train_dataloader.num_workers={workers}']
        loading.append(f'train_dataloader.persistent_workers={workers > 0}')
        start, name = time.monotonic(), f'{args.processes}x{workers}'
        whole, killed = folder / f'whole{name}', folder / f'killed{name}'
        print(f'{args.processes} processes, {workers} workers, {epochs} epochs of {96 // BATCH} iterations', flush=True)
        if args.to_one:
            run(whole, loading, whole.with_suffix('.log'), float64=True)
            run(killed, loading, killed.with_suffix('.log'), 'backward', 8, processes=2, float64=True)
            run(killed, loading, killed.with_suffix('.log'), float64=True)
            moments = ['backward, on two processes; then one']
        else:
            run(whole, loading, whole.with_suffix('.log'), processes=args.processes)
            moments = kill_again_and_again(killed, loading, args.kills, args.processes, draw)
        differing, largest = largest_difference(whole / last, killed / last)
        tally = ', '.join(f'{moments.count(moment)} {moment}' for moment in dict.fromkeys(moments))
        failed |= largest > 1e-5 if args.to_one else differing > 0
        print(
            f'{len(moments)} kills ({tally}): {differing} tensors and values differ, by {largest:.1e} at most; '
            f'{time.monotonic() - start:.0f} s',
            flush=True,
        )
    sys.exit(int(failed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dir', help='an empty folder')
    parser.add_argument('--kills', type=int, default=20, help='for each number of workers')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 2])
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument('--to-one', action='store_true', help='from two processes to one')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--live', help=argparse.SUPPRESS)
    parser.add_argument('--count', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--float64', action='store_true', help=argparse.SUPPRESS)
    split = sys.argv.index('--') if '--' in sys.argv else len(sys.argv)
    args = parser.parse_args(sys.argv[1:split])
    if args.live:
        # Of several processes the last one is killed.
        is_victim = os.environ.get('RANK', '0') == str(int(os.environ.get('WORLD_SIZE', '1')) - 1)
        live(args.live if is_victim else 'none', args.count, sys.argv[split + 1 :], args.float64)
    else:
        experiment(args)


if __name__ == '__main__':
    main()
