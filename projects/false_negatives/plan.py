"""From grids and records to what is done and what is left."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from records import Record
from run_config import config_hash, needs_checkpoint
from runs import Grid, Run

from sacl_mm.user_error import UserError, did_you_mean


@dataclass(eq=False)
class Task:
    """A training. `places` are the grids, and the names there, that it belongs to."""

    run: Run
    hash: str
    parent: 'Task | None'
    places: list[tuple[str, Run]] = field(default_factory=list)
    record: Record | None = None
    weights: bool = False  # whether those of the negatives are recorded, too
    is_stage: bool = False  # whether others come after it, so that it need not be measured

    @property
    def key(self) -> tuple[str, int]:
        return self.hash, self.run.seed

    @property
    def name(self) -> str:
        return self.run.name

    def folder(self, work_dir: Path) -> Path:
        return work_dir / f'{self.hash[:16]}_{self.run.seed}'


def plan(grids: Mapping[str, Grid], records: Iterable[Record], only: str | None = None) -> list[Task]:
    """Each different run once, those that others come after first.

    Args:
        only: a label; nothing else is planned but what it comes after.

    Raises:
        UserError: no run has that label, or a run comes after one that its grid does not have.
    """
    labels = dict.fromkeys(run.label for grid in grids.values() for run in grid.runs)
    if only is not None and only not in labels:
        raise UserError(f"no run is named '{only}'{did_you_mean(only, labels) or '; there are ' + ', '.join(labels)}")
    done = {record.key: record for record in records}
    tasks: dict[tuple[str, int], Task] = {}

    def add(name: str, run: Run) -> Task:
        parent = None if run.after is None else add(name, _before(run, name, grids[name].runs))
        if (parent is None) == needs_checkpoint(run):
            raise UserError(f"grid '{name}', {run.name}: `after` and an option with '{{checkpoint}}' belong together")
        task = Task(run, config_hash(run, parent and parent.hash), parent)
        task = tasks.setdefault(task.key, task)
        task.record = done.get(task.key)
        task.weights |= grids[name].weights
        task.is_stage |= any(other.after == run.label for other in grids[name].runs)
        if (name, run) not in task.places:
            task.places.append((name, run))
        return task

    for name, grid in grids.items():
        for run in grid.runs:
            if only in (None, run.label):
                add(name, run)
    return list(tasks.values())


def current(name: str, grid: Grid, records: Iterable[Record]) -> list[Record]:
    """The records that were made with the configurations that the grid has now."""
    keys = {task.key for task in plan({name: grid}, [])}
    return [record for record in records if record.key in keys]


def _before(run: Run, name: str, runs: Iterable[Run]) -> Run:
    for other in runs:
        if (other.label, other.setting, other.seed) == (run.after, run.setting, run.seed):
            return other
    raise UserError(
        f"grid '{name}', {run.name} comes after '{run.after}', which it does not have at that setting and seed"
    )


def seconds_of(task: Task, records: Sequence[Record]) -> float | None:
    """How long a run will probably take, by its seeds, else its grids, else all there are; None without records."""
    alike = (
        [r for r in records if r.hash == task.hash],
        [r for r in records if any(r.label == run.label and r.setting == run.setting for _, run in task.places)],
        [r for r in records if any(r.grid == name for name, _ in task.places)],
        records,
    )
    known = next(filter(None, alike), None)
    return None if known is None else statistics.mean(record.wall_seconds for record in known)
