"""A step of pre-training at ALBEF's base size, beside ALBEF's own code: seconds and peak memory.

    python tools/benchmarks/pretraining_step.py                      # InfoNCE, SACL, compiled, token reduction, light ...
    python tools/benchmarks/pretraining_step.py --albef FOLDER       # a checkout of github.com/salesforce/ALBEF
    python tools/benchmarks/pretraining_step.py --albef FOLDER --amp # ours in bfloat16; ALBEF as its code is, and in bfloat16

Contrast with a queue of 65,536 pairs and momentum distillation, matching with hard negatives, masked language modelling with
distillation; forward, backward, AdamW (fused in ours, as in our recipe); random weights, images and texts; every text has
the greatest length. Each side runs in a process of its own, which holds its model until the end (5 to 7 GB); the sides take
turns. --sides picks some.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import albef_code
import torch
from measure import machine, matrix_product_rate, operations, print_table

from sacl_mm.engine.launch import run_tool

QUEUE, VOCAB = 65536, 30522
ALBEF, ALBEF_AMP = 'albef', 'albef, bfloat16'
Step = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--albef', type=Path, help="a checkout of ALBEF's code")
    sides = [ALBEF, ALBEF_AMP, *OURS]
    parser.add_argument(
        '--sides', nargs='+', default=sides, choices=sides, help='the first is what others are compared with'
    )
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--image-size', type=int, default=256)
    parser.add_argument('--length', type=int, default=30, help='of texts, in tokens')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--amp', action='store_true', help="bfloat16 autocast in ours, and for one of ALBEF's sides")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error('--repeats must be at least 1')
    if args.albef:
        albef_code.check_checkout(args.albef)  # before many processes find out
    possible = [*([ALBEF] if args.albef else []), *([ALBEF_AMP] if args.albef and args.amp else []), *OURS]
    names = [side for side in args.sides if side in possible]
    if not names:
        parser.error(f'of --sides {args.sides} none can run: ALBEF needs --albef FOLDER, and --amp for bfloat16')
    # In processes of their own, because to count takes memory.
    counted = {name: Worker(name, args).only('count') for name in names}
    workers = {name: Worker(name, args) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(args.repeats + 1):
        for name, worker in workers.items():
            seconds = worker.ask('step')
            print(f'turn {turn} of {args.repeats}: {name} {seconds:.2f} s', file=sys.stderr, flush=True)
            if turn:
                times[name].append(seconds)
    memory = {name: worker.only('peak') for name, worker in workers.items()}
    device = torch.device(args.device)
    rates = {dtype: matrix_product_rate(device, dtype) for dtype in {precision(name, args) for name in names}}
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = names[0]
    rows = [
        [
            name,
            f'{medians[name]:.2f}',
            f'{medians[first] / medians[name]:.2f} x',
            f'{memory[name]:,.0f}',
            f'{memory[name] / memory[first]:.2f}',
            f'{counted[name] / 1e12:.2f}',
            f'{counted[name] / 1e9 / medians[name] / rates[precision(name, args)]:.0%}',
        ]
        for name in names
    ]
    print_table(
        f'Pre-training step, {args.batch} pairs, {args.image_size} px, {args.length} tokens, '
        f'{"bfloat16" if args.amp else "float32"}; {machine(device)}, '
        f'{" and ".join(f"{rate:,.0f} GFLOP/s in {str(dtype)[6:]} products" for dtype, rate in rates.items())}; '
        f'median of {args.repeats}',
        ['', 'seconds', f'as fast as {first}', 'peak MiB', 'ratio', 'TFLOP', "share of the machine's rate"],
        rows,
    )


def precision(name: str, args: argparse.Namespace) -> torch.dtype:
    """Of the matrix products of a side. ALBEF's code has no mixed precision."""
    return torch.bfloat16 if args.amp and name != ALBEF else torch.float32


class Worker:
    """A side in a process of its own, which makes a step when it is told to."""

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        context = multiprocessing.get_context('spawn')
        self.name = name
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, name, args, torch.get_num_threads()), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, what: str) -> float:
        try:
            self.pipe.send(what)
            return self.pipe.recv()
        except (EOFError, OSError):
            raise SystemExit(f'{self.name} stopped: its error is above, or it was killed for want of memory') from None

    def only(self, what: str) -> float:
        """Ask for the last time."""
        answer = self.ask(what)
        self.pipe.send('stop')
        self.process.join()
        return answer


def serve(pipe, name: str, args: argparse.Namespace, threads: int) -> None:
    """Answers, until 'stop', 'step' with its seconds, 'count' with the operations of a step, and 'peak' with the peak memory
    in MiB: of the GPU, or of the process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    args.amp = precision(name, args) is torch.bfloat16
    step = albef(args, device) if name.startswith(ALBEF) else OURS[name](args, device)
    cuda = device.type == 'cuda'

    def timed() -> float:
        start = time.perf_counter()
        step()
        if cuda:
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    def peak() -> float:
        if cuda:
            return torch.cuda.max_memory_allocated(device) / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    answers = dict(step=timed, count=lambda: operations(step), peak=peak)
    while (what := pipe.recv()) != 'stop':
        pipe.send(answers[what]())


def optimised(model: torch.nn.Module, loss_of: Callable[[], torch.Tensor], args: argparse.Namespace, **options) -> Step:
    """A step of AdamW on a loss."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.02, **options)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.amp):
            loss = loss_of()
        loss.backward()
        optimizer.step()

    return step


def ours(name: str, changes: dict, how: str, args: argparse.Namespace, device: torch.device) -> Step:
    """The model of a configuration with ALBEF's ViT (no CLIP), without checkpoints, and with some changes; `how`: 'plain',
    'compiled', or 'kernels', those for CPUs."""
    from mmengine.config import Config

    from sacl_mm.cpu import CPUKernels
    from sacl_mm.engine.runner.resumable_runner import compile_layers
    from sacl_mm.registry import MODELS

    config = Config.fromfile(Path(__file__).parents[2] / 'configs' / 'sacl' / f'{name}.py')
    vit = dict(
        img_size=args.image_size,
        pre_norm=False,
        norm_cfg=dict(type='LN', eps=1e-6),
        layer_cfgs=dict(_delete_=True),
        init_cfg=None,
    )
    checkpoints = dict(
        reference_checkpoint=None,
        towers=dict(vision_backbone=vit, text_backbone=dict(checkpoint=None)),
        multimodal_backbone=dict(checkpoint=None),
        diagnostics_interval=0,
    )
    config.merge_from_dict(dict(model=checkpoints))
    config.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
    model = MODELS.build(dict(config.model, _scope_='sacl_mm')).to(device).train()
    if how == 'compiled':
        compile_layers(model)
    if model.queue is not None:
        model.queue.load_state_dict({k: filled(k, v) for k, v in model.queue.state_dict().items()})
    batch = dict(
        images=torch.randn(args.batch, 3, args.image_size, args.image_size, device=device),
        token_ids=torch.randint(1000, VOCAB, (args.batch, args.length), device=device),
        text_mask=torch.ones(args.batch, args.length, dtype=torch.bool, device=device),
        image_ids=torch.arange(args.batch, device=device) + 10**6,
        text_ids=torch.arange(args.batch, device=device),
        texts_per_image=[1] * args.batch,
    )
    model.set_progress(500, 1000, seed=0)

    def loss() -> torch.Tensor:
        with CPUKernels() if how == 'kernels' else nullcontext():
            return sum(value for key, value in model.loss(batch).items() if 'loss' in key)

    step = optimised(model, loss, args, fused=True)

    def step_and_follow() -> None:
        step()
        model.after_step()

    return step_and_follow


def filled(name: str, value: torch.Tensor) -> torch.Tensor:
    """A queue in which every slot is taken, as it is for all but the first iterations."""
    if value.is_floating_point():
        return torch.nn.functional.normalize(torch.randn_like(value), dim=-1)
    return torch.arange(len(value)) if 'ids' in name else value


def albef(args: argparse.Namespace, device: torch.device) -> Step:
    """ALBEF's own pre-training model, with its queue full and its momentum models at work."""
    albef_code.QUEUE = QUEUE
    size = dict(
        width=768, image_layers=12, heads=12, patch=16, vocab=VOCAB, positions=512, image=args.image_size, embed=256
    )
    build = albef_code.albef_builder(args.albef, size)
    model = build('model_pretrain').to(device).train()
    model.momentum, model.distill = 0.995, True
    images = torch.randn(args.batch, 3, args.image_size, args.image_size, device=device)
    ids = torch.randint(1000, VOCAB, (args.batch, args.length), device=device)
    text = albef_code.tokens(ids, torch.ones_like(ids))

    def loss() -> torch.Tensor:
        with albef_code.alone('model_pretrain'):
            return sum(model(images, text, alpha=0.4))

    return optimised(model, loss, args)


def make_sides() -> dict[str, Callable]:
    regulated = {'contrastive_loss.policy.base_policy.alpha': 0.0}  # no reference model
    reduced = {'towers.vision_backbone.type': 'TokenReducedViT', 'towers.vision_backbone.keep_rate': 0.7}
    checkpointed = {'towers.checkpoint_rows': 2, 'multimodal_backbone.checkpoint_rows': 8}
    sides = {
        'InfoNCE': ('pretrain_infonce', {}, 'plain'),
        'SACL': ('pretrain', regulated, 'plain'),
        'SACL, CPU kernels': ('pretrain', regulated, 'kernels'),
        'SACL, compiled': ('pretrain', regulated, 'compiled'),
        'SACL, checkpointed': ('pretrain', regulated | checkpointed, 'plain'),
        'SACL, TRIPS 70 %': ('pretrain', regulated | reduced | {'towers.vision_backbone.guide': 'text'}, 'plain'),
        'SACL, merged 70 %': (
            'pretrain',
            regulated | reduced | {'towers.vision_backbone.guide': 'similarity'},
            'plain',
        ),
        'SACL, merged with the text 70 %': (
            'pretrain',
            regulated | reduced | {'towers.vision_backbone.guide': 'both'},
            'plain',
        ),
        'SACL light': ('pretrain_light', {}, 'plain'),
    }
    return {name: partial(ours, *options) for name, options in sides.items()}


OURS = make_sides()

if __name__ == '__main__':
    run_tool(main)
