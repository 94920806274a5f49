#!/usr/bin/env python
"""How well lexical coverage finds false negatives: `python tools/benchmarks/false_negative_estimate.py`.

On the embedded world, whose truth is known: precision and recall of "coverage >= threshold" among all pairs of an image and
another image's caption, and the estimated beside the true share of a random batch's negatives. The threshold's default,
`sacl_mm.functional.lexical_coverage.LIKELY`, is chosen by it; results: docs/false_negatives.md.
"""

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from sacl_mm.datasets import ShapeWorld
from sacl_mm.functional.lexical_coverage import LIKELY, LexicalCoverage

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=1000, help='of the world (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=128, help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='of the world (default: %(default)s)')
    parser.add_argument('--detail', type=int, default=0, help='of the captions, see ShapeWorld (default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    world = ShapeWorld(args.images, seed=args.seed, detail=args.detail)
    captions = [world.get_data_info(index)['text'] for index in range(len(world))]
    coverage = LexicalCoverage(captions)
    coverage_NT = coverage()
    others_NT = np.arange(args.images)[:, None] != coverage.owner_T
    true_NT = world.relevance() & others_NT
    true_share = true_NT.sum() / others_NT.sum()
    table = Table('coverage >=', 'precision', 'recall', 'estimated share', f'per image, batch of {args.batch_size}')
    for threshold in THRESHOLDS:
        found_NT = (coverage_NT >= threshold) & others_NT
        right = (found_NT & true_NT).sum()
        share = found_NT.sum() / others_NT.sum()
        table.add_row(
            f'{threshold:.2f}{" *" if threshold == LIKELY else ""}',
            f'{right / max(found_NT.sum(), 1):.3f}',
            f'{right / true_NT.sum():.3f}',
            f'{share:.2%}',
            f'{share * (args.batch_size - 1):.2f}',
        )
    console = Console(soft_wrap=True)
    console.print(table)
    expected = true_share * (args.batch_size - 1)
    console.print(f'true: {true_share:.2%} of the negatives, {expected:.2f} per image; * the default threshold')


if __name__ == '__main__':
    main()
