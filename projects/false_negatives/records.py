"""`records.jsonl`: one line a finished run. A last line that was cut by a kill is passed over, and overwritten."""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sacl_mm.user_error import UserError


@dataclass(frozen=True)
class Record:
    """What is known about a run.

    `cpu_seconds` are of user and system; `total_cpu_seconds` add those of the runs whose checkpoints it needs. `hash` is of
    the configuration without seed and paths. A run of two grids has a line for each, which differ in grid, label and setting.
    `metrics` are the numbers of the last validation. `curves` hold what training logged, against `iter`; `weights` how many
    negatives have a weight between two edges (`logged.EDGES`), by kind of negative, if the grid asks for it.
    """

    grid: str
    label: str
    setting: dict[str, Any]
    seed: int
    hash: str
    commit: str | None
    dirty: bool
    date: str
    cpu_seconds: float
    wall_seconds: float
    total_cpu_seconds: float
    metrics: dict[str, float]
    curves: dict[str, list[float]] = field(default_factory=dict)
    weights: dict[str, list[int]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """The same for runs that are the same."""
        return self.hash, self.seed


def load(path: Path) -> list[Record]:
    """The records of a file; none if there is no file.

    Raises:
        UserError: names the line that is no record.
    """
    if not path.exists():
        return []
    *lines, last = path.read_bytes().split(b'\n')
    if _is_json(last):  # whole but for the line's end
        lines.append(last)
    return [_parse(line, f'{path}, line {number}') for number, line in enumerate(lines, start=1)]


def append(path: Path, records: Iterable[Record]) -> None:
    """Write them at the end, on the disk when this returns."""
    text = ''.join(json.dumps(_plain(asdict(record)), allow_nan=False) + '\n' for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a+b') as file:
        file.seek(0)
        content = file.read()
        last = content.rpartition(b'\n')[2]
        if _is_json(last):
            text = '\n' + text
        else:
            file.truncate(len(content) - len(last))
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _parse(line: bytes, where: str) -> Record:
    try:
        values = json.loads(line)
        record = Record(**values)
    except (ValueError, TypeError) as error:
        raise UserError(f'{where} is no record of a run ({error}): delete that line') from error
    metrics = {name: math.nan if value is None else value for name, value in record.metrics.items()}
    return Record(**{**values, 'metrics': metrics})


def _plain(value: Any) -> Any:
    """With null for what is not finite, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
