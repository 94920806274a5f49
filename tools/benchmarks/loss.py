"""Time and memory of the contrastive loss, forward and backward, beside open_clip's ClipLoss (if it is installed).

python tools/benchmarks/loss.py --batch 8192
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

from sacl_mm.models.losses import SACLContrastiveLoss

POLICIES = {'SACL, self-regulated': dict(type='SimilarityRegulation'), 'InfoNCE': dict(type='InfoNCE')}
PEER = "open_clip's ClipLoss"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch', type=int, default=8192, help='pairs')
    parser.add_argument('--dims', type=int, default=256, help='of a feature')
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--alone', action='store_true', help='without open_clip, whose memory grows with the square')
    args = parser.parse_args()
    device = torch.device(args.device)
    image, text = features(args)
    sides = {name: make_step(name, image, text) for name in (*POLICIES, *([] if args.alone else [PEER]))}
    # Each in a fresh process: an allocator keeps what it once had, and would hide what the next one needs.
    memory = {name: in_fresh_process(memory_of, name, args) for name in sides}
    times = alternate(sides, args.repeats, device)
    rate = matrix_product_rate(device)
    peer = list(sides)[-1]
    gflop = {name: products(name, device) * 2 * args.batch**2 * args.dims / 1e9 for name in sides}
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
        f'{args.batch:,} pairs of {args.dims} features, fp32, forward and backward; {machine(device)}, '
        f'{rate:,.0f} GFLOP/s in matrix products',
        ['', 'seconds', 'ratio', 'extra MiB', 'ratio', 'GFLOP in products', "share of the machine's rate"],
        rows,
    )


def products(name: str, device: torch.device) -> int:
    """Of matrices, of batch x batch x dims each."""
    if name == PEER or device.type != 'cpu':
        return 6  # two directions, each one forward and two backward
    return 4  # one for both directions forward, again backward, and one for each side's gradient


def features(args: argparse.Namespace) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(args.batch, args.dims, device=args.device).requires_grad_() for _ in range(2)]


def make_step(name: str, image: torch.Tensor, text: torch.Tensor) -> Callable[[], None]:
    """Forward and backward of a side."""
    if name == PEER:
        return clip_step(image, text)
    loss = SACLContrastiveLoss(POLICIES[name]).to(image.device)

    def run() -> None:
        image.grad = text.grad = None
        loss(image, text).backward()

    return run


def in_fresh_process(function: Callable, *arguments: object) -> float:
    # glibc shall give back what is freed: what counts is what a computation needs, not what the allocator keeps.
    os.environ['MALLOC_MMAP_THRESHOLD_'] = str(2**20)
    with ProcessPoolExecutor(1, get_context('spawn')) as pool:
        return pool.submit(function, *arguments).result()


def memory_of(name: str, args: argparse.Namespace) -> float:
    image, text = features(args)
    make_step(name, *(x[:64].detach().requires_grad_() for x in (image, text)))()  # what is loaded once does not count
    return peak_memory(make_step(name, image, text), torch.device(args.device))


def clip_step(image: torch.Tensor, text: torch.Tensor) -> Callable[[], None]:
    try:
        from open_clip.loss import ClipLoss
    except ImportError as error:
        raise SystemExit(f'open_clip does not import ({error}): pip install open_clip_torch, or use --alone') from None
    loss, scale = ClipLoss(), torch.nn.Parameter(torch.tensor(1 / 0.07, device=image.device))

    def run() -> None:
        image.grad = text.grad = scale.grad = None
        loss(F.normalize(image, dim=-1), F.normalize(text, dim=-1), scale).backward()

    return run


if __name__ == '__main__':
    main()
