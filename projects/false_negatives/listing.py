"""What is done of a grid, and what is left."""

from collections import defaultdict
from collections.abc import Sequence

from plan import Task, seconds_of
from records import Record
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_list(name: str, tasks: Sequence[Task], records: Sequence[Record], jobs: int) -> None:
    """A row for each label and setting, and an estimate of the minutes that are left."""
    rows: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        rows[', '.join([task.run.label, *(f'{axis} {value}' for axis, value in task.run.setting.items())])].append(task)
    table = Table('run', 'seeds done', 'seeds left', 'minutes each', title=f'grid {name}')
    for row, seeds in rows.items():
        done, left = (
            ' '.join(str(task.run.seed) for task in seeds if (task.record is None) == is_left)
            for is_left in (False, True)
        )
        table.add_row(escape(row), done, left, _minutes([seconds_of(seeds[0], records)]))
    console = Console()
    console.print(table)
    left = [seconds_of(task, records) for task in tasks if task.record is None]
    console.print(
        f'{len(tasks) - len(left)} done, {len(left)} left: about {_minutes(left, jobs)} minutes with {jobs} at a time',
        highlight=False,
    )


def _minutes(seconds: Sequence[float | None], jobs: int = 1) -> str:
    if None in seconds:
        return '?'
    return f'{sum(seconds) / 60 / jobs:.1f}'
