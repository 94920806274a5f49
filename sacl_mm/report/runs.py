"""What trainings and tests wrote down: curves and scores of a work directory."""

import json
from pathlib import Path

from sacl_mm.user_error import UserError

Curve = list[tuple[float, float]]


def read_curves(work_dir: Path) -> dict[str, Curve]:
    """Every scalar that MMEngine's LocalVisBackend logged, sorted by its abscissa; {} where nothing was trained.

    The abscissa is the iteration for training scalars, and the epoch for validation scores (whose names contain a '/').
    Each start of a run has its own folder, named by its time. Where two starts logged the same iteration, the later one
    counts: it went on from a checkpoint before that iteration.

    Raises:
        UserError: names the file and line that is no JSON, or no measurement. A last line that was cut off by a kill is
            passed over.
    """
    joined: dict[str, dict[float, float]] = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in _read_lines(file):
            is_training = 'iter' in line
            for name, value in line.items():
                if is_training != ('/' in name):
                    joined.setdefault(name, {})[line['iter' if is_training else 'step']] = value
    return {name: sorted(values.items()) for name, values in joined.items()}


def last_values(work_dir: Path) -> dict[str, float]:
    """Every score of a training's last validation, or of the last test where nothing was trained.

    Raises:
        UserError: there is no such folder, nothing was logged or measured there, or a file is damaged.
    """
    check_is_folder(work_dir)
    curves = read_curves(work_dir)
    tests = [file for file in sorted(work_dir.glob('*/*.json')) if file.stem == file.parent.name]
    if not curves and tests:
        return _scores(_read_test(tests[-1]), work_dir)
    if not any(work_dir.glob('*/vis_data/scalars.json')):
        raise UserError(f'{work_dir} has no */vis_data/scalars.json: no training or test has logged anything there')
    values = _scores({name: curve[-1][1] for name, curve in curves.items()}, work_dir)
    if not values:
        raise UserError(f'the training in {work_dir} has not been validated yet')
    return values


def check_is_folder(work_dir: Path) -> None:
    """Raises UserError unless it is."""
    if not work_dir.is_dir():
        raise UserError(f"work dir '{work_dir}' {'is no folder' if work_dir.exists() else 'does not exist'}")


def _read_lines(file: Path) -> list[dict]:
    try:
        lines = file.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f'{file} is not UTF-8 text') from error
    parsed = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise UserError(f'{file}, line {number} is not JSON: {error}') from error
            continue
        if not isinstance(values, dict) or not {'iter', 'step'} & set(values):
            raise UserError(f'{file}, line {number} holds no measurement with its iter or step')
        parsed.append(values)
    return parsed


def _read_test(file: Path) -> dict[str, object]:
    try:
        values = json.loads(file.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise UserError(f'{file} is not JSON: {error}') from error
    if not isinstance(values, dict):
        raise UserError(f'{file} holds a {type(values).__name__}, not measures by name')
    return values


def _scores(values: dict[str, object], work_dir: Path) -> dict[str, float]:
    scores = {}
    for name, value in values.items():
        if '/' in name:
            if not isinstance(value, (int, float)):
                raise UserError(f'{work_dir}: {name} is {value!r}, no number')
            scores[name] = value
    return scores
