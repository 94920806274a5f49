"""The archives of a folder: the shards of one data set."""

import os
import re

from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

_SPLIT = re.compile(r'(?:^|[-_.])(train|training|valid|validation|val|dev|test|testing)(?=[-_.])')


def names_in(folder: str) -> list[str]:
    """Sorted names of a folder's entries without the hidden ones; AnnotationError if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith('.'))
    except OSError as error:
        raise AnnotationError(f'{folder}: cannot be listed ({error.strerror})') from error


def shards_of(path: str, suffix: str, report: ReadingReport) -> list[str]:
    """The archive itself, or a folder's archives with that suffix in the order of their names.

    Raises:
        AnnotationError: there are none, the archive has another suffix, or the names are those of several splits.
    """
    if not os.path.isdir(path):
        if not path.endswith(suffix):
            raise AnnotationError(f'{path}: rename it so that it ends in {suffix}, as images inside are found by that')
        return [path]
    names = names_in(path)
    shards = [name for name in names if name.endswith(suffix)]
    if not shards:
        raise AnnotationError(f'{path}: no *{suffix} in this folder')
    splits = sorted({match[1] for name in shards if (match := _SPLIT.search(name))})
    if len(splits) > 1:
        raise AnnotationError(
            f"{path}: holds shards of several splits ({', '.join(splits)}): give those of one as a list, ann_file=['"
            f"{os.path.join(path, shards[0])}', ...]"
        )
    for name in names:
        if not name.endswith(suffix):
            report.notice('entries beside the archives passed over', os.path.join(path, name))
    return [os.path.join(path, name) for name in shards]
