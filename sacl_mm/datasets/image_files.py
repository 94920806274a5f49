"""Files of images: which ones a name from an annotation file may open, how they are named, and in which folder they are.

A name opens only what lies below the user's own folders, and only regular files.

A name is data, the file system is the user's: folders are compared as they are written, so a linked folder below the data
root is a folder like any other. Only a name with `..` is resolved, links and all, before it is compared. Archives are folders,
too (`sacl_mm.datasets.archives`).
"""

import os
import stat
from collections.abc import Iterable, Sequence

from sacl_mm.datasets.archives import find_member

# What Pillow and OpenCV decode.
IMAGE_SUFFIXES = (
    '.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.apng', '.webp', '.avif', '.bmp', '.dib', '.gif', '.tif', '.tiff',
    '.jp2', '.j2k', '.jpx', '.ppm', '.pgm', '.pbm', '.pnm',
)  # fmt: skip


class AllowedFolders:
    """`path in folders`: whether a path lies below one of them.

    Args:
        folders: local ones, relative or absolute ('' is the current one), or addresses such as 's3://bucket/images'.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self.folders = list(dict.fromkeys(folders))
        self._starts = [os.path.join(folder, '') for folder in self.folders]

    def __contains__(self, path: str) -> bool:
        for start in self._starts:
            if path.startswith(start):
                rest = path[len(start) :]
                # Without a folder ('') the rest is the whole path, which may be an absolute one.
                if not os.path.isabs(rest) and '://' not in rest and '..' not in rest.split('/'):
                    return True
        if '://' in path:
            return False
        resolve = os.path.realpath if '..' in path.split('/') else os.path.abspath
        try:
            return any(
                f'{resolve(path)}{os.sep}'.startswith(os.path.join(resolve(folder), ''))
                for folder in self.folders
                if '://' not in folder
            )
        except ValueError:  # a NUL byte, a lone surrogate
            return False

    def __str__(self) -> str:
        return ', '.join(repr(folder or '.') for folder in self.folders)


def regular_file_size(path: str) -> int:
    """In bytes.

    Raises:
        OSError, ValueError: there is no such file, or it is a folder, a pipe or a device, which could be read for ever.
    """
    if (member := find_member(path)) is not None:
        return member.size()
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f'not a regular file but a {_KINDS.get(stat.S_IFMT(status.st_mode), "special file")}')
    return status.st_size


def is_special(path: str) -> bool:
    """Whether something is there that is no regular file; an address is not looked at."""
    return '://' not in path and not os.path.isfile(path) and os.path.exists(path)


def is_file(path: str) -> bool:
    """Whether a regular file is there, also in an archive."""
    member = find_member(path)
    return os.path.isfile(path) if member is None else member.exists()


def regular_files(folder: str) -> set[str]:
    """Names of a folder's regular files, links to such included; empty if the folder cannot be listed."""
    try:
        with os.scandir(folder or '.') as entries:
            return {entry.name for entry in entries if _is_file(entry)}
    except (OSError, ValueError):
        return set()


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


_KINDS = {stat.S_IFDIR: 'folder', stat.S_IFIFO: 'pipe (FIFO)', stat.S_IFCHR: 'device', stat.S_IFBLK: 'device'}


def has_image_suffix(name: str) -> bool:
    """Whether a file is named as an image, also in capitals."""
    return os.path.splitext(name.strip())[1].lower() in IMAGE_SUFFIXES


class FolderListing:
    """`path in listing`: whether a regular file is there. One listing of a folder is far cheaper than a look at every file."""

    def __init__(self) -> None:
        self._names_in: dict[str, set[str]] = {}

    def __contains__(self, path: str) -> bool:
        if (member := find_member(path)) is not None:
            return member.exists()
        folder, name = os.path.split(path)
        if folder not in self._names_in:
            self._names_in[folder] = regular_files(folder)
        return name in self._names_in[folder]

    def first(self, paths: Sequence[str]) -> str:
        """The first path that is there, or else the first; a single one is not looked up, so it may be an address."""
        return paths[0] if len(paths) == 1 else next((path for path in paths if path in self), paths[0])
