#!/usr/bin/env python
"""The study of false negatives: run its grids, see what is left, make its tables and figures.

python projects/false_negatives/study.py run GRID [GRID ...] [--jobs 2] [--only LABEL]
python projects/false_negatives/study.py list [GRID ...]
python projects/false_negatives/study.py report [GRID ...]
"""

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_CTRL_C = 130


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    run = actions.add_parser('run', help='train what is not recorded yet; goes on where it was stopped')
    show = actions.add_parser('list', help='what is done, what is left, and for how long')
    report = actions.add_parser('report', help='tables and figures of what is recorded')
    report.add_argument('grids', nargs='*', metavar='GRID', help='(default: all that have records)')
    report.add_argument(
        '--out', type=Path, default=HERE / 'results', metavar='DIR', help='(default: results/ beside this file)'
    )
    run.add_argument('grids', nargs='+', metavar='GRID', help='a name of grids.py')
    show.add_argument('grids', nargs='*', metavar='GRID', help='(default: all of grids.py, a line each)')
    for action in (run, show):
        action.add_argument('--only', metavar='LABEL', help='only this policy, and what it comes after')
        action.add_argument('--jobs', type=int, default=2, help='trainings at a time, of one thread each (default: 2)')
    run.add_argument('--dirty', action='store_true', help='also with uncommitted code; the records say so')
    run.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/false_negatives'), help='of runs that are not finished'
    )
    for action in (run, show, report):
        action.add_argument(
            '--records', type=Path, default=HERE / 'records.jsonl', metavar='FILE', help='(default: beside this file)'
        )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    os.environ.setdefault('OMP_NUM_THREADS', '1')  # the trainings need the cores
    sys.path.append(str(HERE.parents[1]))  # configurations import `projects`
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: dict(run=run, list=show, report=report)[args.action](args))


def run(args: argparse.Namespace) -> None:
    import records
    from display import showing
    from grids import find_grid
    from plan import plan
    from runner import Runner

    from sacl_mm.engine.work_dir import locked
    from sacl_mm.user_error import UserError

    if args.jobs < 1:
        raise UserError(f'--jobs must be at least 1, got {args.jobs}')
    known = records.load(args.records)
    grids = {name: find_grid(name, known) for name in args.grids}
    with locked(args.work_dir):
        tasks = plan(grids, known, args.only)
        runner = Runner(tasks, args.records, args.work_dir, args.jobs, args.dirty)
        try:
            with showing(runner) as look:
                well = runner.run(look)
        except KeyboardInterrupt:
            print('interrupted; the same command goes on with what is left', file=sys.stderr)
            sys.exit(_CTRL_C)
    recorded = sum(task.record is not None for task in tasks)
    print(f'{runner.finished} trained, {len(runner.failed)} failed, {recorded} of {len(tasks)} recorded')
    if not well:
        sys.exit(1)


def show(args: argparse.Namespace) -> None:
    import records
    from display import print_list, print_overview
    from grids import GRIDS, find_grid
    from plan import plan

    from sacl_mm.user_error import UserError

    known = records.load(args.records)
    if not args.grids:
        if args.only:
            raise UserError('--only belongs to a grid: study.py list GRID --only LABEL')
        return print_overview(GRIDS, known)
    for name in args.grids:
        print_list(name, plan({name: find_grid(name, known)}, known, args.only), known, args.jobs)


def report(args: argparse.Namespace) -> None:
    import records
    from grids import GRIDS, find_grid
    from plan import current
    from report import write_report

    from sacl_mm.user_error import UserError

    known = records.load(args.records)
    recorded = {record.grid for record in known}
    if not (names := args.grids or [name for name in GRIDS if name in recorded]):
        raise UserError(f"no grid has records in '{args.records}' yet: study.py run GRID")
    for name in names:
        grid = find_grid(name, known)
        written = write_report(name, grid, current(name, grid, known), args.out)
        print(f'{name}: {", ".join(path.name for path in written) or "nothing is recorded yet"}')
    for name in sorted(recorded - set(GRIDS)):
        print(f"'{name}' has records, but is not in grids.py any more: left out")
    print(f'in {args.out}')


if __name__ == '__main__':
    main()
