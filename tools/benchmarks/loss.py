"""Time and memory of the contrastive loss, forward and backward, beside the computation of open_clip's ClipLoss.

python tools/benchmarks/loss.py --batch 8192
python tools/benchmarks/loss.py --batch 8192 --candidates momentum
python tools/benchmarks/loss.py --batch 512 --candidates bank
python tools/benchmarks/loss.py --batch 32768 --alone
"""

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
import torch.nn.functional as F
from measure import alternate, machine, matrix_product_rate, peak_memory, print_table
from torch import Tensor

from sacl_mm.models.losses import FeaturePair, InfoNCE, NegativeBank, SACLContrastiveLoss, SimilarityRegulation

POLICIES = {'SACL, self-regulated': SimilarityRegulation, 'InfoNCE': InfoNCE}
PEER = 'as ClipLoss computes'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch', type=int, default=8192, help='pairs')
    parser.add_argument('--dims', type=int, default=256, help='of a feature')
    parser.add_argument(
        '--candidates',
        choices=('batch', 'momentum', 'bank'),
        default='batch',
        help="the batch's own features, those of a momentum encoder, or these and a bank of --queue more",
    )
    parser.add_argument('--queue', type=int, default=65536, help='pairs of the bank')
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--alone', action='store_true', help='without the peer, whose memory grows with the square')
    args = parser.parse_args()
    device = torch.device(args.device)
    image, text = features(args)
    sides = {name: make_step(name, image, text, args) for name in (*POLICIES, *([] if args.alone else [PEER]))}
    # Each in a fresh process: an allocator keeps what it once had, and would hide what the next one needs.
    memory = {name: in_fresh_process(memory_of, name, args) for name in sides}
    times = alternate(sides, args.repeats, device)
    rate = matrix_product_rate(device)
    peer = list(sides)[-1]
    num_candidates = args.batch + (args.queue if args.candidates == 'bank' else 0)
    gflop = {name: products(name, args) * 2 * args.batch * num_candidates * args.dims / 1e9 for name in sides}
    rows = [
        [
            name,
            f'{median:.3f} ± {spread:.3f}',
            f'{median / times[peer][0]:.2f}',
            f'{memory[name]:,.0f}',
            f'{memory[name] / memory[peer]:.3f}',
            f'{gflop[name]:,.0f}',
            f'{gflop[name] / median / rate:.0%}',
        ]
        for name, (median, spread) in times.items()
    ]
    print_table(
        f'{args.batch:,} pairs of {args.dims} features, {num_candidates:,} candidates ({args.candidates}), fp32, forward and '
        f'backward; {machine(device)}, {rate:,.0f} GFLOP/s in matrix products',
        ['', 'seconds', 'ratio', 'extra MiB', 'ratio', 'GFLOP in products', "share of the machine's rate"],
        rows,
    )


def products(name: str, args: argparse.Namespace) -> int:
    """Of matrices, of batch x candidates x dims each."""
    if args.candidates == 'batch':
        # Two directions, each one forward and two backward; or one for both, again for the gradient, and one for each side's.
        return 6 if name == PEER else 4
    return 4 if name == PEER else 6  # two directions, each forward, (again for the gradient,) and that of the anchors


def features(args: argparse.Namespace) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(args.batch, args.dims, device=args.device).requires_grad_() for _ in range(2)]


def others(args: argparse.Namespace) -> tuple[FeaturePair | None, FeaturePair | None]:
    """A momentum encoder's features, of the batch and of the bank."""

    def unit_rows(count: int) -> FeaturePair:
        return FeaturePair(*(F.normalize(torch.randn(count, args.dims, device=args.device), dim=-1) for _ in range(2)))

    if args.candidates == 'batch':
        return None, None
    return unit_rows(args.batch), unit_rows(args.queue) if args.candidates == 'bank' else None


def make_step(name: str, image: Tensor, text: Tensor, args: argparse.Namespace) -> Callable[[], None]:
    """Forward and backward of a side."""
    candidates, queued = others(argparse.Namespace(**vars(args) | dict(batch=len(image))))
    ids = torch.arange(len(image), device=image.device)
    if name == PEER:
        return clip_step(image, text, candidates, queued)
    loss = SACLContrastiveLoss(POLICIES[name]()).to(image.device)
    bank = queued and NegativeBank(queued, len(image) + torch.arange(args.queue, device=image.device))

    def run() -> None:
        image.grad = text.grad = None
        loss(image, text, ids, candidates=candidates, bank=bank).backward()

    return run


def in_fresh_process(function: Callable, *arguments: object) -> float:
    # glibc shall give back what is freed: what counts is what a computation needs, not what the allocator keeps.
    os.environ['MALLOC_MMAP_THRESHOLD_'] = str(2**20)
    with ProcessPoolExecutor(1, get_context('spawn')) as pool:
        return pool.submit(function, *arguments).result()


def memory_of(name: str, args: argparse.Namespace) -> float:
    image, text = features(args)
    make_step(name, *(x[:64].detach().requires_grad_() for x in (image, text)), args)()  # loaded once, does not count
    return peak_memory(make_step(name, image, text, args), torch.device(args.device))


def clip_step(
    image: Tensor, text: Tensor, candidates: FeaturePair | None, queued: FeaturePair | None
) -> Callable[[], None]:
    """`ClipLoss` of open_clip_torch 3.3 for one process, without its class; it knows no candidates but the batch."""
    log_scale = torch.nn.Parameter(torch.tensor(1 / 0.07, device=image.device).log())
    target = torch.arange(len(image), device=image.device)

    def loss() -> Tensor:
        anchors = FeaturePair(F.normalize(image, dim=-1), F.normalize(text, dim=-1))
        everyone = candidates or anchors
        if queued is not None:
            everyone = FeaturePair(*map(torch.cat, zip(everyone, queued, strict=True)))
        logits_per_image = log_scale.exp() * anchors.image @ everyone.text.T
        logits_per_text = log_scale.exp() * anchors.text @ everyone.image.T
        return (F.cross_entropy(logits_per_image, target) + F.cross_entropy(logits_per_text, target)) / 2

    def run() -> None:
        image.grad = text.grad = log_scale.grad = None
        loss().backward()

    return run


if __name__ == '__main__':
    main()
