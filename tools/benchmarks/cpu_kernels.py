#!/usr/bin/env python
"""What `sacl_mm.cpu` gives on CPUs: seconds and peak memory of a training step, relative to a step without.

    python tools/benchmarks/cpu_kernels.py

`demo`: the two towers of `make demo`. `frozen`: heads on cached features, as large as Flickr8k's. `text`: MiniLM's size
trained over grids of a frozen CNN in bfloat16, contrast alone; `fusion`: the same and its multimodal backbone. `full`: the
embedded world with all objectives. Weights, images and texts are random. `malloc` is no part of the package: the C library
keeps freed memory (MALLOC_TRIM_THRESHOLD_=-1 MALLOC_MMAP_MAX_=0). Each side is a process of its own with one warm step
behind it; the sides take turns, step by step.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from unittest import mock

import torch
from measure import machine, print_table
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.structures import BaseDataElement

from sacl_mm.cpu.cpu_kernels_hook import use_cpu_kernels
from sacl_mm.registry import DATASETS, MODELS

SIDES = ('none', 'kernels', 'malloc', 'both')
MALLOC = {'MALLOC_TRIM_THRESHOLD_': '-1', 'MALLOC_MMAP_MAX_': '0'}
# Configuration and batch size.
WORKLOADS = {
    'demo': ('configs/shape_world/infonce.py', 128),
    'frozen': ('configs/flickr8k/frozen.py', 512),
    'text': ('configs/flickr8k/contrast.py', 64),
    'fusion': ('configs/flickr8k/retrieval.py', 64),
    'full': ('configs/shape_world/full.py', 128),
}
SLOW = ('frozen', 'text', 'fusion')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--workloads', nargs='+', default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument('--steps', type=int, default=50)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--slow-steps', type=int, default=6, help='of frozen, text and fusion')
    args = parser.parse_args()
    rows = []
    for workload in args.workloads:
        steps = args.slow_steps if workload in SLOW else args.steps
        rows += compare(workload, steps, args.repeats)
    print_table(
        f'CPU kernels ({machine(torch.device("cpu"))})',
        ['workload', 'with', 's / step', 'time', 'of each repeat', 'MiB', 'memory'],
        rows,
    )


def compare(workload: str, steps: int, repeats: int) -> list[list[str]]:
    sides = SIDES
    workers = {side: Worker(workload, side) for side in sides}
    times: dict[str, list[list[float]]] = {side: [[] for _ in range(repeats)] for side in sides}
    for turn in range(repeats * steps):
        for side in sides if turn % 2 == 0 else reversed(sides):
            times[side][turn // steps].append(workers[side].ask('step'))
        if turn % steps == 0:
            print(f'{workload}: repeat {turn // steps + 1} of {repeats}', file=sys.stderr, flush=True)
    memory = {side: worker.ask('memory') for side, worker in workers.items()}
    for worker in workers.values():
        worker.stop()
    medians = {side: [statistics.median(values) for values in repeat] for side, repeat in times.items()}
    rows = []
    for side in sides:
        ratios = [own / none for own, none in zip(medians[side], medians['none'], strict=True)]
        rows.append(
            [
                workload,
                side,
                f'{statistics.median(medians[side]):.3f}',
                f'{statistics.median(ratios):.2f}',
                ' '.join(f'{ratio:.2f}' for ratio in ratios),
                f'{memory[side]:.0f}',
                f'{memory[side] / max(1.0, memory["none"]):.2f}',
            ]
        )
    return rows


class Worker:
    """A process with a model."""

    def __init__(self, workload: str, side: str) -> None:
        context = multiprocessing.get_context('spawn')
        self.here, there = context.Pipe()
        self.process = context.Process(target=work, args=(workload, side, there), daemon=True)
        with mock.patch.dict(os.environ, MALLOC if side in ('malloc', 'both') else {}):
            self.process.start()
        self.ask('step')

    def ask(self, what: str) -> float:
        self.here.send(what)
        return self.here.recv()

    def stop(self) -> None:
        self.here.send(None)
        self.process.join()


def work(workload: str, side: str, pipe) -> None:
    torch.manual_seed(0)
    step = training(workload, with_kernels=side not in ('none', 'malloc'))
    start = status('VmRSS')
    while (what := pipe.recv()) is not None:
        if what == 'memory':
            pipe.send((status('VmHWM') - start) / 2**10)
            continue
        begin = time.perf_counter()
        step()
        pipe.send(time.perf_counter() - begin)


def training(workload: str, with_kernels: bool) -> Callable[[], None]:
    """One iteration of a configuration, on samples that are made beforehand."""
    path, size = WORKLOADS[workload]
    for name in ('MINILM', 'RESNET50', 'FLICKR8K'):
        os.environ[name] = 'none'
    cfg = Config.fromfile(path)
    plain(cfg.model)
    with MODELS.switch_scope_and_registry('sacl_mm'):
        model = MODELS.build(cfg.model)
        optim_wrapper = cfg.optim_wrapper
        if workload in ('text', 'fusion'):
            optim_wrapper = dict(optim_wrapper, type='BFloat16OptimWrapper')
        optim = build_optim_wrapper(model, optim_wrapper)
        data = [make(workload, cfg, size, number) for number in range(4)]
    model.train()
    if with_kernels:
        use_cpu_kernels(model)
    count = 0

    def step() -> None:
        nonlocal count
        model.set_progress(count + 100, 10_000, 0)
        model._anew = []
        model.train_step(data[count % len(data)], optim)
        count += 1

    return step


def plain(cfg: object) -> None:
    """Random weights, and no reference model."""
    if isinstance(cfg, dict):
        if cfg.get('type') in ('BertTextEncoder', 'FusionEncoder'):
            cfg['checkpoint'] = None
        if 'alpha' in cfg:
            cfg['alpha'] = 0.0
        for value in cfg.values():
            plain(value)


def make(workload: str, cfg: Config, size: int, seed: int) -> dict:
    if workload in ('demo', 'full'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        return pseudo_collate([dataset[number] for number in range(seed * size, (seed + 1) * size)])
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for number in range(size):
        index = seed * size + number
        if workload == 'frozen':
            sample = BaseDataElement()
            sample.image_id, sample.text_ids = index, [5 * index + k for k in range(5)]
            sample.text_inputs = torch.randn(5, 384, generator=generator)
            samples.append(dict(inputs=torch.randn(5120, generator=generator), data_samples=sample))
            continue
        length = int((14 + 4 * torch.randn((), generator=generator)).clamp(6, 30))
        tokens = torch.randint(1000, 30000, (length,), generator=generator)
        sample = BaseDataElement()
        sample.image_id, sample.text_ids, sample.token_ids = index, [index], [tokens]
        samples.append(dict(inputs=torch.randn(3072, 5, 5, generator=generator), data_samples=sample))
    return pseudo_collate(samples)


def status(name: str) -> int:
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ':'))


if __name__ == '__main__':
    main()
