"""Time and memory of the contrastive loss, forward and backward, beside open_clip's ClipLoss (if it is installed).

python tools/benchmarks/loss.py --batch 8192
python tools/benchmarks/loss.py --batch 32768 --alone
"""

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from measure import alternate, machine, matrix_product_rate, peak_memory, print_table

from sacl_mm.models.losses import SACLContrastiveLoss

POLICIES = {'SACL, self-regulated': dict(type='SimilarityRegulation'), 'InfoNCE': dict(type='InfoNCE')}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--batch', type=int, default=8192, help='pairs')
    parser.add_argument('--dims', type=int, default=256, help='of a feature')
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--alone', action='store_true', help='without open_clip, whose memory grows with the square')
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    image, text = (torch.randn(args.batch, args.dims, device=device).requires_grad_() for _ in range(2))

    sides = {name: step(SACLContrastiveLoss(policy).to(device), image, text) for name, policy in POLICIES.items()}
    if not args.alone:
        sides["open_clip's ClipLoss"] = clip_step(image, text)
    warm = [x[:64].detach().requires_grad_() for x in (image, text)]
    step(SACLContrastiveLoss().to(device), *warm)()  # what is loaded once is not the loss's
    memory = {name: peak_memory(run, device) for name, run in sides.items()}
    times = alternate(sides, args.repeats, device)
    rate = matrix_product_rate(device)
    # Two directions, each one product forward and two backward.
    products = 6 * 2 * args.batch**2 * args.dims / 1e9
    peer = list(sides)[-1]
    rows = [
        [
            name,
            f'{median:.3f} ± {spread:.3f}',
            f'{median / times[peer][0]:.2f}',
            f'{memory[name]:,.0f}',
            f'{memory[name] / memory[peer]:.3f}',
            f'{products / median / rate:.0%}',
        ]
        for name, (median, spread) in times.items()
    ]
    print_table(
        f'{args.batch:,} pairs of {args.dims} features, fp32, forward and backward; {machine(device)}, '
        f'{rate:,.0f} GFLOP/s in matrix products; {products:,.0f} GFLOP here',
        ['', 'seconds', 'ratio', 'extra MiB', 'ratio', "share of the machine's rate"],
        rows,
    )


def step(loss: torch.nn.Module, image: torch.Tensor, text: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        image.grad = text.grad = None
        loss(image, text).backward()

    return run


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
