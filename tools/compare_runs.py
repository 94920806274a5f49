#!/usr/bin/env python
"""Last validation of several trainings (or last test, of work directories of tools/test.py) side by side, mean and standard
deviation over seeds.

python tools/compare_runs.py InfoNCE=work_dirs/a0,work_dirs/a1 SACL=work_dirs/b0,work_dirs/b1 [--metrics mAP TR/R@1 ...]
"""

import argparse
import statistics

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sacl_mm.command_line import named_runs
from sacl_mm.user_error import UserError, printable


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', metavar='NAME=DIR[,DIR...]', help='work directories, one per seed')
    parser.add_argument('--metrics', nargs='+', help='names or ends of names (default: all that every run has)')
    args = parser.parse_args()
    args.runs = named_runs(args.runs)
    return args


def chosen(names: list[str], wanted: list[str] | None) -> list[str]:
    if wanted is None:
        return names
    unknown = [want for want in wanted if not any(name.endswith('/' + want) or name == want for name in names)]
    if unknown:
        raise UserError(f'not all runs have {", ".join(unknown)}; all have {", ".join(names)}')
    return [next(name for name in names if name.endswith('/' + want) or name == want) for want in wanted]


def cell(values: list[float]) -> str:
    spread = f' ± {statistics.stdev(values):.2f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):.2f}{spread}'


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: compare(args))


def compare(args: argparse.Namespace) -> None:
    from sacl_mm.report.runs import last_values

    runs = {name: [last_values(folder) for folder in folders] for name, folders in args.runs.items()}
    first, *others = (seed for seeds in runs.values() for seed in seeds)
    common = [name for name in first if all(name in other for other in others)]
    if not common:
        raise UserError('these runs have no measure in common')
    names = chosen(common, args.metrics)
    table = Table('measure', *(escape(printable(f'{name} ({len(seeds)})')) for name, seeds in runs.items()))
    for name in names:
        table.add_row(escape(printable(name)), *(cell([seed[name] for seed in seeds]) for seeds in runs.values()))
    Console().print(table)


if __name__ == '__main__':
    main()
