"""Finished trainings by name, as tools take them from the command line."""

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
    """Every measure of the last validation.

    Raises:
        UserError: nothing was logged there.
    """
    try:
        scalars = read_scalars(work_dir)
    except FileNotFoundError as error:
        raise UserError(str(error)) from error
    return {name: curve[-1][1] for name, curve in scalars.items() if '/' in name}
