"""How a running study is shown: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from runner import Runner


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
