"""The members of a tar archive: found by their headers, read from their places."""

import errno
import os
import posixpath
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from sacl_mm.user_error import AnnotationError

_MOST_BYTES_OF_A_HEADER = 1 << 16  # GNU's and pax's long names among them
_BLOCK = 512
_BYTES_LOOKED_AT_BEHIND_THE_END = 1 << 16

# What tarfile raises for bytes that are no archive.
_TAR_ERRORS = (tarfile.TarError, ValueError, IndexError, KeyError, OverflowError, RecursionError)


class TarArchive:
    """The regular files of an uncompressed tar archive.

    Links, devices and sparse files are passed over, and names that no file below a folder can have; of members with the same
    name the last counts, as where the archive is unpacked.

    Attributes:
        remarks: (kind, reason, where) for a `ReadingReport`, in which `kind` is 'skip' or 'notice'.

    Raises:
        AnnotationError: it is no tar archive, compressed, damaged or cut off; with the place.
        OSError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.remarks: list[tuple[str, str, str]] = []
        self._places: dict[str, tuple[int, int]] = {}  # offset and size
        with open(path, 'rb') as file:
            self._find_members(file)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        """Names in the order of the archive."""
        return iter(self._places)

    def size(self, name: str) -> int:
        """In bytes."""
        return self._place(name)[1]

    def read(self, name: str) -> bytes:
        """The content of a member."""
        offset, size = self._place(name)
        with open(self.path, 'rb', buffering=0) as file:
            file.seek(offset)
            content = file.read(size)
        if len(content) != size:
            raise OSError(errno.EIO, f'{len(content):,} of {size:,} bytes could be read', f'{self.path}/{name}')
        return content

    def _place(self, name: str) -> tuple[int, int]:
        if name not in self._places:
            raise FileNotFoundError(errno.ENOENT, 'No such file in the archive', f'{self.path}/{name}')
        return self._places[name]

    def _find_members(self, file: BinaryIO) -> None:
        size, position, tar = os.fstat(file.fileno()).st_size, -1, None
        try:
            tar = tarfile.TarFile(fileobj=_Headers(file))  # type: ignore[arg-type]
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # which would keep them all
                if tar.offset <= position:
                    raise tarfile.ReadError('a header leads back')
                position = tar.offset
                if member.offset_data + (member.size if member.isreg() and not member.issparse() else 0) > size:
                    raise tarfile.ReadError('a member is larger than the archive')
                self._add(member)
            self._check_end(file, tar.offset, size)
        except _TAR_ERRORS as error:
            where = f'cut off or damaged behind {len(self._places):,} members' if self._places else 'no tar archive'
            raise AnnotationError(
                f'{self.path}: {where} (byte {tar.offset if tar else 0:,} of {size:,}: {error}); make or copy it anew'
            ) from None

    def _add(self, member: tarfile.TarInfo) -> None:
        where, parts = f'{self.path}/{member.name}', member.name.split('/')
        if member.isdir():
            return
        if not member.isreg() or member.issparse():
            self.remarks.append(('skip', 'links, devices and sparse files in archives', where))
            return
        if '\0' in member.name or '..' in parts or parts[0] == '' or not parts[-1].strip('.'):
            self.remarks.append(('skip', 'members of archives whose names lead out', where))
            return
        name = posixpath.normpath(member.name)  # './7.jpg', as `tar -c .` writes it
        if name in self._places:
            self.remarks.append(('notice', 'members of archives whose names come again: the last counts', where))
        self._places[name] = member.offset_data, member.size

    def _check_end(self, file: BinaryIO, offset: int, size: int) -> None:
        """tarfile takes whatever is no header for the end."""
        file.seek(offset)
        behind = file.read(_BYTES_LOOKED_AT_BEHIND_THE_END)
        if behind[:_BLOCK].strip(b'\0'):
            raise tarfile.ReadError('no header')
        if not behind:
            self.remarks.append(('notice', 'archives without a mark at their end, which may be cut off', self.path))
        elif behind.strip(b'\0'):
            self.remarks.append(('skip', 'archives joined to the end of another', self.path))


class _Headers:
    """What tarfile sees of an archive; a header that claims to be huge is not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_BYTES_OF_A_HEADER:
            raise tarfile.ReadError(f'a header of {size:,} bytes')
        return self._file.read(size)
