#!/usr/bin/env python
"""A page about trainings or tests of this library: `python tools/report.py WORK_DIR [WORK_DIR ...] [--out report.html]`.

Scores, curves, weights of negatives, retrieved images and provenance in one HTML file that needs nothing else, and the
numbers beside it as JSON. What cannot be shown - a checkpoint is gone, a model does not retrieve - is named with its reason.
"""

import argparse
from pathlib import Path

from sacl_mm.command_line import check_work_dirs
from sacl_mm.user_error import UserError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='of tools/train.py or tools/test.py'
    )
    parser.add_argument('--out', type=Path, default=Path('report.html'), help='the page (default: %(default)s)')
    args = parser.parse_args()
    check_work_dirs(args.work_dirs)
    return args


def named(work_dirs: list[Path]) -> dict[str, Path]:
    """By the folder's name, or by the whole path where two folders have the same name."""
    last = [folder.resolve().name for folder in work_dirs]
    return {str(folder) if last.count(name) > 1 else name: folder for name, folder in zip(last, work_dirs, strict=True)}


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: report(args))


def report(args: argparse.Namespace) -> None:
    from sacl_mm.engine.checks.files import check_folder
    from sacl_mm.report import write_report

    if args.out.suffix not in ('.html', '.htm'):
        raise UserError(f"--out '{args.out}' must end in .html")
    check_folder(args.out.parent, 'the folder of --out')
    written = write_report(named(args.work_dirs), args.out)
    for section, reasons in written.lacking.items():
        for reason in reasons:
            print(f'not shown in {section}: {reason}')
    print(f'Report: {written.path.resolve()}')


if __name__ == '__main__':
    main()
