"""An archive is a folder: `shards/000.tar/7.jpg` and `train.parquet/image/7.jpg` are paths of images like any other.

Nothing is unpacked: an archive's members are found once a process, and each is read from its place. Archives are opened anew
for each read, so workers that were forked share no position in a file.
"""

import os
import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from sacl_mm.datasets.archives.parquet_archive import ParquetArchive
from sacl_mm.datasets.archives.tar_archive import TarArchive
from sacl_mm.user_error import AnnotationError

_KINDS: dict[str, Callable[[str], 'Archive']] = {'.tar': TarArchive, '.parquet': ParquetArchive}
_END_OF_ARCHIVE = re.compile(r'\.(?:tar|parquet)(?=/)')
_opened: dict[str, tuple[tuple[int, ...], 'Archive']] = {}


class Archive(Protocol):
    """What is told of an archive's members; a name that is none of them raises FileNotFoundError, other faults OSError."""

    def __contains__(self, name: str) -> bool: ...

    def size(self, name: str) -> int: ...

    def read(self, name: str) -> bytes: ...


class Member(NamedTuple):
    """A path that leads into an archive; whether there is such a member is another matter."""

    archive: Archive
    name: str

    def exists(self) -> bool:
        return self.name in self.archive

    def size(self) -> int:
        """In bytes."""
        return self.archive.size(self.name)

    def read(self) -> bytes:
        return self.archive.read(self.name)


def find_member(path: str) -> Member | None:
    """The member that a path names; None for any other path, at the price of two searches in the text.

    Raises:
        AnnotationError: the archive is damaged, or pyarrow is needed and missing.
    """
    if ('.tar/' not in path and '.parquet/' not in path) or '://' in path or '\0' in path:
        return None
    for match in _END_OF_ARCHIVE.finditer(path):
        archive = path[: match.end()]
        if os.path.isfile(archive):  # a folder may be named so, too
            return Member(open_archive(archive), path[match.end() + 1 :])
    return None


def is_archive(path: str) -> bool:
    """Whether images may lie in this file, by its name."""
    return path.endswith(tuple(_KINDS)) and os.path.isfile(path)


def open_archive(path: str) -> Archive:
    """The archive's members, from the memory of this process unless the file has changed; errors as in `find_member`."""
    try:
        status = os.stat(path)
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if path not in _opened or _opened[path][0] != identity:
            _opened[path] = identity, _KINDS[os.path.splitext(path)[1]](path)
    except OSError as error:
        raise AnnotationError(f'{path}: cannot be read ({error.strerror or error})') from error
    return _opened[path][1]
