"""The measurements that a training wrote down, as curves."""

import json
from pathlib import Path

Curve = list[tuple[float, float]]


def read_scalars(run_dir: Path) -> dict[str, Curve]:
    """Every scalar that MMEngine's LocalVisBackend logged below a work directory, sorted by its abscissa.

    That is the iteration for training measures, and the epoch for validation measures (whose names contain a '/'). Each
    start of a run has its own folder, named by its time; where two logged the same iteration, the later counts: it went on
    from a checkpoint before that iteration.

    Raises:
        FileNotFoundError: nothing was logged there.
        ValueError: names the file and line that is no JSON, or no measurement. A last line that was cut off by a kill is
            passed over.
    """
    files = sorted(run_dir.glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(f'{run_dir} has no */vis_data/scalars.json: no training has logged anything there')
    joined: dict[str, dict[float, float]] = {}
    for file in files:
        for line in _read_lines(file):
            is_training = 'iter' in line
            for name, value in line.items():
                if is_training != ('/' in name):
                    joined.setdefault(name, {})[line['iter' if is_training else 'step']] = value
    return {name: sorted(values.items()) for name, values in joined.items()}


def _read_lines(file: Path) -> list[dict]:
    try:
        lines = file.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'{file} is not UTF-8 text') from error
    parsed = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise ValueError(f'{file}, line {number} is not JSON: {error}') from error
            continue
        if not isinstance(values, dict) or not {'iter', 'step'} & set(values):
            raise ValueError(f'{file}, line {number} holds no measurement with its iter or step')
        parsed.append(values)
    return parsed
