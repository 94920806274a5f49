"""A step of pre-training on two processes of a CPU, with DistributedDataParallel and with sharded weights: seconds, and the
memory of one process.

    export MALLOC_MMAP_THRESHOLD_=65536    # else the C library keeps what gathered layers free
    python tools/benchmarks/sharding.py                  # the depth and queue of the recipe at half its width
    python tools/benchmarks/sharding.py --width 768      # at its width; not tried, some 12 GB

Random weights, images and texts; AdamW; each side on processes of its own, which have one thread each.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from measure import memory, peak_memory, print_table
from mmengine.config import Config

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.engine.launch import run_tool
from sacl_mm.engine.runner.sharding import shard
from sacl_mm.registry import MODELS

PROCESSES, BATCH, IMAGE_SIZE, LENGTH, VOCAB = 2, 2, 64, 30, 30522
CPU = torch.device('cpu')
SIDES = ('DistributedDataParallel', 'shard=True')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=int, default=384, help='of all transformers, a multiple of 64')
    parser.add_argument('--queue', type=int, default=65536, help='pairs; each process has all of them')
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    if args.width % 64:
        parser.error('--width must be a multiple of 64')
    load_mmpretrain()  # once, before processes are forked
    rows = []
    for side in SIDES:
        with mp.get_context('fork').Manager() as manager, tempfile.TemporaryDirectory() as folder:
            results = manager.dict()
            arguments = side, args, f'{folder}/store', results
            mp.start_processes(measure, arguments, nprocs=PROCESSES, start_method='fork')
            rows.append(results[0])
    first = rows[0]
    print_table(
        f'Pre-training step, {PROCESSES} processes on CPUs, {BATCH} pairs each, width {args.width}, queue of {args.queue:,}; '
        f'median of {args.repeats}',
        ['', 'seconds', 'MiB between steps', 'ratio', 'peak MiB', 'ratio'],
        [
            [
                side,
                f'{seconds:.2f}',
                f'{resident:,.0f}',
                f'{resident / first[1]:.2f}',
                f'{peak:,.0f}',
                f'{peak / first[2]:.2f}',
            ]
            for side, (seconds, resident, peak) in zip(SIDES, rows, strict=True)
        ],
    )


def measure(rank: int, side: str, args: argparse.Namespace, store: str, results: dict) -> None:
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=PROCESSES)
    before = memory()
    step = make_step(rank, side, args)
    step()  # AdamW's state is there from now on
    times = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    resident = memory() - before
    results[rank] = statistics.median(times), resident, resident + peak_memory(step, CPU)
    dist.barrier()
    dist.destroy_process_group()


def make_step(rank: int, side: str, args: argparse.Namespace) -> Callable[[], None]:
    torch.manual_seed(0)
    model = MODELS.build(dict(model_config(args.width, args.queue), _scope_='sacl_mm')).train()
    parallel = model
    if side == SIDES[0]:
        parallel = torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
    else:
        shard(model, 'cpu')
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=True)
    model.set_progress(500, 1000, seed=0)
    ids = torch.arange(BATCH) + rank * BATCH
    batch = dict(
        images=torch.randn(BATCH, 3, IMAGE_SIZE, IMAGE_SIZE),
        token_ids=torch.randint(1000, VOCAB, (BATCH, LENGTH)),
        text_mask=torch.ones(BATCH, LENGTH, dtype=torch.bool),
        image_ids=ids,
        text_ids=ids,
        texts_per_image=[1] * BATCH,
    )

    def step() -> None:
        losses = parallel(mode='loss', **batch)
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        optimizer.step()
        optimizer.zero_grad()
        model.after_step()

    return step


def model_config(width: int, queue: int) -> dict:
    """`configs/sacl/pretrain.py`'s model without checkpoints, in another width."""
    config = Config.fromfile(Path(__file__).parents[2] / 'configs' / 'sacl' / 'pretrain.py')
    heads = width // 64
    arch = dict(_delete_=True, embed_dims=width, num_layers=12, num_heads=heads, feedforward_channels=4 * width)
    sizes = dict(
        reference_checkpoint=None,
        queue_size=queue,
        diagnostics_interval=0,
        towers=dict(
            vision_backbone=dict(arch=arch, img_size=IMAGE_SIZE, init_cfg=None),
            neck=dict(in_channels=width),
            text_backbone=dict(width=width, num_heads=heads, checkpoint=None),
        ),
        multimodal_backbone=dict(width=width, image_width=width, num_heads=heads, checkpoint=None),
        matching_head=dict(width=width),
        masked_language_head=dict(width=width),
    )
    config.merge_from_dict(dict(model=sizes))
    config.merge_from_dict({'model.contrastive_loss.policy.base_policy.alpha': 0.0})
    return config.model


if __name__ == '__main__':
    run_tool(main)
