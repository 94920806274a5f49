#!/usr/bin/env python
"""What token reduction costs and saves: a measure of trainings or tests against the operations of their image encoders.

    python tools/benchmarks/speed_quality.py "none=W/0/none,W/1/none" "class 70 %=W/0/class,W/1/class" \\
        --metric retrieval/mAP --svg docs/images/token_reduction.svg

Of each name the work directories of its seeds. The first one is what the others are compared with. Operations are those of an
image's forward pass through the image encoder that the run's configuration describes.
"""

import argparse
import statistics
from functools import partial
from pathlib import Path

import torch
from measure import operations, print_table
from mmengine.config import Config

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.engine.launch import run_tool
from sacl_mm.user_error import UserError

load_mmpretrain()
from sacl_mm.command_line import named_runs  # noqa: E402
from sacl_mm.models.backbones import TokenReducedViT  # noqa: E402  (needs the above)
from sacl_mm.report.figures import Point, plain_svg, point_figure  # noqa: E402
from sacl_mm.report.runs import last_values  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', metavar='NAME=DIR[,DIR...]', help='work directories, one per seed')
    parser.add_argument('--metric', required=True, help='such as retrieval/mAP or vqa/accuracy')
    parser.add_argument('--svg', type=Path, help='where to write the chart')
    args = parser.parse_args()
    measured = {
        name: (*encoder_of(folders[0]), [last_value(folder, args.metric) for folder in folders])
        for name, folders in named_runs(args.runs).items()
    }
    first_cost, _, first_values = next(iter(measured.values()))
    rows, points = [], []
    for name, (cost, form, values) in measured.items():
        mean, spread = statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
        share, change = 100 * cost / first_cost, mean / statistics.mean(first_values) - 1
        rows.append(
            [
                name,
                f'{cost / 1e6:.1f}',
                f'{share:.0f} %',
                f'{len(values)}',
                f'{mean:.2f} ± {spread:.2f}' if len(values) > 1 else f'{mean:.2f}',
                f'{change:+.1%}',
            ]
        )
        points.append(Point(name, share, mean, spread, form))
    columns = ['tokens that stay', 'MFLOP an image', 'of all', 'seeds', args.metric, 'against the first']
    print_table('Image encoder, forward; mean and standard deviation over seeds', columns, rows)
    if args.svg:
        args.svg.parent.mkdir(parents=True, exist_ok=True)
        figure = point_figure(points, 'operations of the image encoder, %', args.metric)
        args.svg.write_text(plain_svg(figure), encoding='utf-8')


def encoder_of(folder: Path) -> tuple[int, str]:
    """Operations of an image in the run's image encoder, and how it has fewer tokens."""
    files = sorted(folder.glob('*.py'))
    if not files:
        raise UserError(f'{folder} has no configuration (*.py): it is no work directory')
    options = Config.fromfile(files[0]).get('model', {}).get('towers', {}).get('backbone', {})
    if options.get('type') != 'TokenReducedViT':
        raise UserError(f'{files[0]}: the image encoder is {options.get("type")}, not TokenReducedViT')
    vit = TokenReducedViT(**{key: value for key, value in options.items() if key not in ('type', 'init_cfg')})
    vit.eval()
    size, guide_1C = options['img_size'], torch.randn(1, vit.embed_dims) if vit.text_guided else None
    with torch.inference_mode():
        cost = operations(partial(vit, torch.randn(1, 3, size, size), guide_1C))
    if vit.keep_rate == 1:
        return cost, 'all tokens'
    if vit.guide == 'similarity':
        return cost, 'alike tokens merged'
    return cost, 'guided by the text' if vit.text_guided else 'guided by the image'


def last_value(folder: Path, metric: str) -> float:
    values = last_values(folder)
    if metric not in values:
        raise UserError(f'{folder} has no {metric}; there are {", ".join(values)}')
    return values[metric]


if __name__ == '__main__':
    run_tool(main)
