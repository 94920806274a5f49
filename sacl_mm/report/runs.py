"""Finished trainings and tests by name, as tools take them from the command line."""

import json
from pathlib import Path

from sacl_mm.report.scalars import read_scalars
from sacl_mm.user_error import UserError


def named_runs(arguments: list[str]) -> dict[str, list[Path]]:
    """The work directories of each name, one per seed, from NAME=DIR[,DIR...].

    Raises:
        UserError: an argument of another form, or a name given twice.
    """
    runs = {}
    for given in arguments:
        name, equals, folders = given.partition('=')
        if not name or not equals or not all(folders.split(',')):
            raise UserError(f"'{given}' is not NAME=DIR[,DIR...]")
        if name in runs:
            raise UserError(f"'{name}' is given twice: {name}=DIR,DIR takes several seeds")
        runs[name] = [Path(folder) for folder in folders.split(',')]
    return runs


def last_values(work_dir: Path) -> dict[str, float]:
    """Every measure of a training's last validation, or of the last test where nothing was trained.

    Raises:
        UserError: there is no such folder, neither wrote anything there, nothing was measured yet, or a file is damaged.
    """
    if not work_dir.is_dir():
        raise UserError(f"work dir '{work_dir}' {'is no folder' if work_dir.exists() else 'does not exist'}")
    tests = [file for file in sorted(work_dir.glob('*/*.json')) if file.stem == file.parent.name]
    try:
        scalars = read_scalars(work_dir)
    except FileNotFoundError as error:
        if not tests:
            raise UserError(f'{error}, nor did a test') from error
        return _measures(_test_values(tests[-1]), work_dir)
    except ValueError as error:
        raise UserError(str(error)) from error
    values = _measures({name: curve[-1][1] for name, curve in scalars.items()}, work_dir)
    if not values:
        raise UserError(f'the training in {work_dir} has not been validated yet')
    return values


def _test_values(file: Path) -> dict[str, object]:
    try:
        values = json.loads(file.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise UserError(f'{file} is not JSON: {error}') from error
    if not isinstance(values, dict):
        raise UserError(f'{file} holds a {type(values).__name__}, not measures by name')
    return values


def _measures(values: dict[str, object], where: Path) -> dict[str, float]:
    measures = {name: value for name, value in values.items() if '/' in name}
    for name, value in measures.items():
        if not isinstance(value, (int, float)):
            raise UserError(f'{where}: {name} is {value!r}, no number')
    return measures
