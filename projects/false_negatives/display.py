"""What is shown of a study: what is done and left, and how it runs."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from plan import Task, plan, seconds_of
from records import Record
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from runner import Runner
from runs import Grid

from sacl_mm.user_error import UserError


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


def print_overview(grids: Mapping[str, Callable[[Sequence[Record]], Grid]], records: Sequence[Record]) -> None:
    """A row for each grid."""
    table = Table('grid', 'about', 'runs done', 'of', 'CPU minutes')
    for name, make in grids.items():
        about = ' '.join((inspect.getdoc(make) or '').split())
        try:
            tasks = plan({name: make(records)}, records)
        except UserError:  # a grid before it has to be run
            table.add_row(name, escape(about), '', '?', '')
            continue
        done = [task.record for task in tasks if task.record is not None]
        spent = f'{sum(record.cpu_seconds for record in done) / 60:.0f}'
        table.add_row(name, escape(about), str(len(done)), str(len(tasks)), spent)
    Console().print(table)


def _minutes(seconds: Sequence[float | None], jobs: int = 1) -> str:
    if None in seconds:
        return '?'
    return f'{sum(seconds) / 60 / jobs:.1f}'


@contextmanager
def showing(runner: Runner) -> Iterator[Callable[[], None]]:
    """Gives what the runner is to call again and again."""
    total = len(runner.waiting)
    console = Console()

    def say(line: str) -> None:
        count = runner.finished + len(runner.failed)
        console.print(
            f'{datetime.now():%H:%M:%S} [{count}/{total}] {line}', markup=False, highlight=False, soft_wrap=True
        )

    runner.say = say
    if not console.is_terminal:
        yield lambda: None
        return
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn('{task.description}')
    # Without a thread that refreshes: the runner forks.
    with Progress(*columns, console=console, auto_refresh=False, speed_estimate_period=86400) as progress:
        bar = progress.add_task('', total=total)

        def look() -> None:
            done = runner.finished + len(runner.failed)
            names = escape('; '.join(task.name for task in runner.running))
            progress.update(bar, completed=done, description=names, refresh=True)

        yield look
