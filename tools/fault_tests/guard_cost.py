#!/usr/bin/env python
"""Seconds inside the guards, as a share of a training's seconds, both summed in one run.

    python tools/fault_tests/guard_cost.py CONFIG [options of tools/train.py]

Guards are what a training does only so that nothing wrong is silent and nothing is lost: checks of losses and weights, the
exchange of signals, checks before the training, the order to write a checkpoint to the disk, names and files of images.
"""

import runpy
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
seconds: dict[str, float] = defaultdict(float)
calls: dict[str, int] = defaultdict(int)
_inside: list[str] = []


def timed(name: str, function: Callable) -> Callable:
    def wrapper(*args, **options):
        _inside.append(name)
        start = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            _inside.pop()
            calls[name] += 1
            if not _inside:  # a guard inside another one counts once
                seconds[name] += time.perf_counter() - start

    return wrapper


def watch() -> None:
    import os

    import sacl_mm.engine.runner.resumable_runner as runner
    import sacl_mm.engine.runner.train_loop as loop
    import sacl_mm.engine.work_dir as files
    from sacl_mm.datasets import ImageTextDataset
    from sacl_mm.engine.agreement import Agreement
    from sacl_mm.models.finite_steps import FiniteSteps

    guards = [
        (FiniteSteps, 'check'),
        (Agreement, 'largest'),
        (runner, 'check_weights'),
        (loop, 'check_weights'),
        (runner, 'check_training'),
        (runner, 'check_unused'),
        (runner, 'training_record'),
        (ImageTextDataset, '_check_names'),
        (ImageTextDataset, '_check_images_exist'),
        (files, '_sync_folder'),
        (os, 'fsync'),
    ]
    for place, name in guards:
        setattr(
            place, name, timed(f'{getattr(place, "__name__", place)}.{name}'.split('.', 1)[-1], getattr(place, name))
        )


@contextmanager
def the_training_timed():
    from sacl_mm.engine.runner.resumable_runner import ResumableRunner

    train = ResumableRunner.train
    total = []

    def timed_train(self):
        self.train_loop, self.val_loop  # noqa: B018  (reading the data is no guard; the check of them would be the first)
        start = time.perf_counter()
        try:
            return train(self)
        finally:
            total.append(time.perf_counter() - start)

    ResumableRunner.train = timed_train
    yield total


def main() -> None:
    watch()
    sys.argv = ['train.py', *sys.argv[1:]]
    with the_training_timed() as total:
        runpy.run_path(str(ROOT / 'tools' / 'train.py'), run_name='__main__')
    guarded = sum(seconds.values())
    for name, spent in sorted(seconds.items(), key=lambda entry: -entry[1]):
        print(f'{name:45s} {calls[name]:7,d} calls {spent:8.3f} s')
    print(f'guards {guarded:.2f} s of {total[0]:.1f} s: {guarded / total[0]:.2%}')


if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1] in ('-h', '--help'):
        print(__doc__)
    else:
        main()
