"""Re-ranking at ALBEF's base size: ours beside ALBEF's own code and mmpretrain's BlipRetrieval.

    python tools/benchmarks/reranking.py                      # beside ALBEF's order of operations over our modules
    python tools/benchmarks/reranking.py --albef FOLDER       # beside a checkout of github.com/salesforce/ALBEF

The problem: 1,000 pictures, 5,000 texts, 128 candidates of each; what the towers say of them is there already. The peers go
query by query: a picture with its 128 texts, a text with its 128 pictures, texts padded to 30 tokens. Ours goes picture by
picture, with all texts of which it is a candidate or which are its candidates. The whole would take a CPU days: each side
does a few of its queries or pictures, and the table extrapolates, the peers by queries, ours by pairs. Weights are random,
ALBEF's and ours the same, and the largest difference of their scores is printed. BLIP fuses in 12 layers, ALBEF in 6.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import measure
import torch
from measure import alternate, machine, matrix_product_rate, print_table
from reranking_sides import albef_match, blip, our_model, picture_by_picture, plain_match, query_by_query
from reranking_slice import Slice

sys.path.insert(0, str(Path(__file__).parents[1] / 'model_converters'))
from albef_code import albef_builder
from check_albef_parity import BASE, SMALL

from sacl_mm.engine.launch import run_tool
from sacl_mm.user_error import UserError

OURS, BLIP = 'ours', "mmpretrain's BlipRetrieval"


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    size = (SMALL if args.small else BASE) | dict(image=args.image_size, image_layers=1)  # the picture tower never runs
    torch.manual_seed(0)
    part = Slice(args, size)
    theirs_PT, ours_PT = (torch.full_like(part.cosine_PT, torch.nan) for _ in range(2))
    albef = albef_builder(args.albef, size)('model_retrieval').to(device) if args.albef else None
    model = our_model(albef, size).to(device)
    peer = "ALBEF's own code" if albef else "ALBEF's order, our modules"
    match = albef_match(albef, part) if albef else plain_match(model, part)
    sides = {peer: query_by_query(match, part, theirs_PT)}
    if not args.no_mmpretrain:
        sides[BLIP] = blip(size, part)
    sides[OURS] = [picture_by_picture(model, part, ours_PT)]

    works = {(side, i): work for side, of_side in sides.items() for i, work in enumerate(of_side)}
    operations: dict[tuple, float] = {}
    runs = {key: counting(work.run, operations, key) for key, work in works.items()}
    seconds = {key: median for key, (median, _) in alternate(runs, args.repeats, device).items()}
    rate = matrix_product_rate(device)

    def whole(side: str, of: dict[tuple, float]) -> float:
        return sum(of[key] * work.times for key, work in works.items() if key[0] == side)

    rows = [
        [
            side,
            ' + '.join(f'{seconds[key]:.2f}' for key in works if key[0] == side),
            f'{part.pairs if side == OURS else (part.pictures + part.texts) * part.k:,}',
            f'{whole(side, seconds) / 3600:.2f}',
            f'{whole(peer, seconds) / whole(side, seconds):.2f} x',
            f'{whole(side, operations) / 1e15:.3f}',
            f'{whole(side, operations) / 1e9 / whole(side, seconds) / rate:.0%}',
        ]
        for side in sides
    ]
    print_table(
        f'Re-ranking {part.pictures:,} pictures of {part.tokens_PNC.shape[1]} tokens x {part.texts:,} texts, k = {part.k}, '
        f'float32; {machine(device)}, {rate:,.0f} GFLOP/s in matrix products; median of {args.repeats}\n'
        f'Measured: queries with pictures + with texts, {part.queries} of each; '
        f'ours: {part.queries} of the pictures, with {len(part.text_R):,} pairs. The whole is EXTRAPOLATED.',
        [
            '',
            'seconds measured',
            'pairs, whole',
            'hours, whole',
            'as fast',
            'PFLOP, whole',
            "share of the machine's rate",
        ],
        rows,
    )
    both = ~(theirs_PT - ours_PT).isnan()
    difference = (theirs_PT - ours_PT)[both].abs().max()
    print(f'{peer} and ours scored {both.sum():,} pairs both, from {theirs_PT[both].min():.2f} to ', end='')
    print(f'{theirs_PT[both].max():.2f}; largest difference {difference:.1e}')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--albef', type=Path, help="a checkout of ALBEF's code")
    parser.add_argument('--no-mmpretrain', action='store_true', help='without BlipRetrieval, which takes longest')
    parser.add_argument('--pictures', type=int, default=1000)
    parser.add_argument('--texts', type=int, default=5000)
    parser.add_argument('--k', type=int, default=128, help='candidates of each')
    parser.add_argument('--image-size', type=int, default=384)
    parser.add_argument('--queries', type=int, default=1, help='measured: of each direction; of ours, pictures')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--small', action='store_true', help='toy models')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args()
    if not 1 <= args.queries <= args.k <= min(args.pictures, args.texts):
        raise UserError('--queries is at least 1, at most --k, and that at most --pictures and --texts')
    return args


def counting(run: Callable, operations: dict[tuple, float], key: tuple) -> Callable[[], None]:
    """The run without gradients; the first one, which does not count in time, counts its operations."""

    @torch.no_grad()
    def counted() -> None:
        if key in operations:
            run()
            return
        operations[key] = measure.operations(run)

    return counted


if __name__ == '__main__':
    run_tool(main)
