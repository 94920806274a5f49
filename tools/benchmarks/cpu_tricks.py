#!/usr/bin/env python
"""What each trick alone gives on CPUs: seconds and peak memory of a training step, relative to a step with none of them.

    python tools/benchmarks/cpu_tricks.py

`demo`: the two towers of `make demo`. `frozen`: heads on cached features, as large as Flickr8k's. `text`: MiniLM's size
trained over grids of a frozen CNN in bfloat16, contrast alone; `fusion`: the same and its fusion encoder. `full`: the
embedded world with all objectives. Weights, images and texts are random. Each side is a process of its own with one warm step
behind it; the sides take turns, step by step.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from unittest import mock

import torch
import torch.nn.functional as F
from measure import machine, print_table
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.structures import BaseDataElement
from sacl_mm.engine.freed_memory import keep_freed_memory, map_blocks_apart
from sacl_mm.layers.tied_embedding import TiedEmbedding

from sacl_mm.functional.masking import PredictedFirst
from sacl_mm.models.fusion.fusion_encoder import FusionEncoder
from sacl_mm.models.losses import SACLContrastiveLoss
from sacl_mm.registry import DATASETS, MODELS

NONE, ALL = 'none', 'all'
KERNELS = ('attention', 'dropout', 'linear')
TRICKS = (*KERNELS, 'recomputation', 'tied', 'masked first', 'one pass', 'both ways', 'malloc')
EVERYWHERE = (*KERNELS, 'recomputation', 'both ways', 'malloc')
CONFIGS = {
    'demo': ('configs/shape_world/infonce.py', 128, EVERYWHERE),
    'frozen': ('configs/flickr8k/frozen.py', 512, EVERYWHERE),
    'text': ('configs/flickr8k/contrast.py', 64, EVERYWHERE),
    'fusion': ('configs/flickr8k/retrieval.py', 64, EVERYWHERE),
    'full': ('configs/shape_world/full.py', 128, TRICKS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--workloads', nargs='+', default=list(CONFIGS), choices=CONFIGS)
    parser.add_argument('--steps', type=int, default=50)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--slow-steps', type=int, default=6, help='of frozen, text and fusion')
    args = parser.parse_args()
    rows = []
    for workload in args.workloads:
        steps = args.slow_steps if workload in ('frozen', 'text', 'fusion') else args.steps
        rows += compare(workload, steps, args.repeats)
    print_table(
        f'CPU tricks, each alone ({machine(torch.device("cpu"))})',
        ['workload', 'tricks', 's / step', 'time', 'of each repeat', 'MiB', 'memory'],
        rows,
    )


def compare(workload: str, steps: int, repeats: int) -> list[list[str]]:
    sides = [NONE, *CONFIGS[workload][2], ALL]
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
        ratios = [own / none for own, none in zip(medians[side], medians[NONE], strict=True)]
        rows.append(
            [
                workload,
                side,
                f'{statistics.median(medians[side]):.3f}',
                f'{statistics.median(ratios):.2f}',
                ' '.join(f'{ratio:.2f}' for ratio in ratios),
                f'{memory[side]:.0f}',
                f'{memory[side] / max(1.0, memory[NONE]):.2f}',
            ]
        )
    return rows


class Worker:
    """A process with a model."""

    def __init__(self, workload: str, side: str) -> None:
        context = multiprocessing.get_context('spawn')
        self.here, there = context.Pipe()
        self.process = context.Process(target=work, args=(workload, side, there), daemon=True)
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
    on = set(TRICKS) if side == ALL else {side}
    if 'malloc' in on:
        map_blocks_apart()
    with contextlib.ExitStack() as stack:
        for trick in set(TRICKS) - on:
            for patch in without(trick):
                stack.enter_context(patch)
        step = training(workload)
        start, is_first = status('VmRSS'), True
        while (what := pipe.recv()) is not None:
            if what == 'memory':
                pipe.send((status('VmHWM') - start) / 2**10)
                continue
            begin = time.perf_counter()
            step()
            pipe.send(time.perf_counter() - begin)
            if is_first and 'malloc' in on:
                keep_freed_memory()
            is_first = False


def without(trick: str) -> list:
    """Patches that switch a trick off."""

    def nothing(*args: object) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    users = [
        'layers.fusion_layer',
        'models.heads.masked_language_head',
        'models.text_encoders.bert',
        'models.two_tower',
    ]
    if trick == 'recomputation':
        return [mock.patch(f'sacl_mm.{user}.recomputed_activations', nothing) for user in users]
    if trick in KERNELS:
        name, plain = {
            'attention': ('_attend', F.scaled_dot_product_attention),
            'dropout': ('_drop', F.dropout),
            'linear': ('onednn_linear', F.linear),
        }[trick]
        return [mock.patch(f'sacl_mm.layers.cpu_kernels.{name}', plain)]
    if trick == 'tied':
        return [mock.patch.object(TiedEmbedding, 'looked_up', nothing)]
    if trick == 'masked first':
        return [mock.patch('sacl_mm.models.pretrain.PredictedFirst', InOrder)]
    if trick == 'one pass':
        return [mock.patch.object(FusionEncoder, 'of_two_kinds', in_two_passes)]
    if trick == 'both ways':
        return [mock.patch.object(SACLContrastiveLoss, '_symmetric_policy', return_value=None)]
    return []


class InOrder(PredictedFirst):
    """All tokens where they were."""

    def __init__(self, predict_BL: torch.Tensor) -> None:
        self.most = predict_BL.shape[1]
        self.index_T = predict_BL.flatten().nonzero()[:, 0]

    def sort(self, x_BLC: torch.Tensor) -> torch.Tensor:
        return x_BLC


def in_two_passes(self, count, text_BLC, mask_BL, keys_values, image_R, first):
    keys_values = list(keys_values)
    in_turn = [one.parted(image_R)[0] if isinstance(image_R, int) else one for one in keys_values]
    return (
        self(text_BLC[:count], mask_BL[:count], in_turn, None, first[0]),
        self(text_BLC[count:], mask_BL[count:], keys_values, image_R, first[1]),
    )


def training(workload: str) -> Callable[[], None]:
    """One iteration of a configuration, on samples that are made beforehand."""
    path, size, _ = CONFIGS[workload]
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
