"""Finished trainings and tests by name, as tools take them from the command line."""

import json
from pathlib import Path

from sacl_mm.engine.config_check import UserError
from sacl_mm.report.scalars import read_scalars


def named_runs(arguments: list[str]) -> dict[str, list[Path]]:
    """The work directories of each name, one per seed, from NAME=DIR[,DIR...].

    Raises:
        UserError: an argument of another form.
    """
    runs = {}
    for given in arguments:
        name, equals, folders = given.partition('=')
        if not equals or not folders:
            raise UserError(f"'{given}' is not NAME=DIR[,DIR...]")
        runs[name] = [Path(folder) for folder in folders.split(',')]
    return runs


def last_values(work_dir: Path) -> dict[str, float]:
    """Every measure of a training's last validation, or of the last test where nothing was trained.

    Raises:
        UserError: neither wrote anything there, nothing was measured yet, or the file is no JSON.
    """
    tests = [file for file in sorted(work_dir.glob('*/*.json')) if file.stem == file.parent.name]
    try:
        scalars = read_scalars(work_dir)
    except FileNotFoundError as error:
        if not tests:
            raise UserError(f'{error}, nor did a test') from error
        return _test_values(tests[-1])
    values = {name: curve[-1][1] for name, curve in scalars.items() if '/' in name}
    if not values:
        raise UserError(f'the training in {work_dir} has not been validated yet')
    return values


def _test_values(file: Path) -> dict[str, float]:
    try:
        return {name: value for name, value in json.loads(file.read_text()).items() if '/' in name}
    except json.JSONDecodeError as error:
        raise UserError(f'{file} is not JSON: {error}') from error
