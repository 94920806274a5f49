"""Progress of long work: a bar on a terminal, now and then a line in a log."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar('Item')
_SECONDS = 20


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """The items, with `what` shown while they are worked on."""
    if Console().is_terminal:
        yield from track(items, what, total=total)
        return
    shown = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - shown > _SECONDS:
            print(f'{what}: {number:,} of {total:,}', flush=True)
            shown = time.monotonic()
        yield item
