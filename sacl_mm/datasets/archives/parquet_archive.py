"""The images inside a Parquet file, as Hugging Face writes them: COLUMN/ROW.jpg, rows counted from 0 over all row groups.

A value is read with the whole row group that it stands in: that is how Parquet is laid out. The groups read last are kept.
"""

import errno
import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sacl_mm.user_error import AnnotationError, UserError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_OLDEST_PYARROW = 15  # before 14.0.1 a file could name code to run (CVE-2023-47248)
MOST_BYTES_OF_A_GROUP = 1 << 29
_GROUPS_KEPT = 2
_ROW = re.compile(r'(?P<column>[^/]+)/(?P<row>0|[1-9]\d{0,17})(?:\.\w+)?')


class ParquetArchive:
    """Images in the columns of a Parquet file: binary ones, and structs {bytes, path}.

    Raises:
        AnnotationError: it is no Parquet file, or damaged.
        UserError: pyarrow is missing or too old.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with open_parquet(path) as file:
            self.metadata, schema = file.metadata, file.schema_arrow
        self.leaves = {field.name: leaf for field in schema if (leaf := leaf_of_bytes(field)) is not None}
        self._ends: list[int] = []  # of each row group, in rows
        for group in range(self.metadata.num_row_groups):
            self._ends.append((self._ends[-1] if self._ends else 0) + self.metadata.row_group(group).num_rows)

    def __contains__(self, name: str) -> bool:
        match = _ROW.fullmatch(name)
        return match is not None and match['column'] in self.leaves and int(match['row']) < (self._ends or [0])[-1]

    def size(self, name: str) -> int:
        """In bytes."""
        return self._value(name).as_buffer().size

    def read(self, name: str) -> bytes:
        """The image of a row."""
        return self._value(name).as_py()

    def _value(self, name: str) -> Any:
        match = _ROW.fullmatch(name)
        if match is None or name not in self:
            raise FileNotFoundError(errno.ENOENT, 'No such image in the archive', f'{self.path}/{name}')
        row = int(match['row'])
        group = bisect_right(self._ends, row)
        first = self._ends[group - 1] if group else 0
        modified = os.stat(self.path).st_mtime_ns
        value = _group(self.path, modified, self.leaves[match['column']], group)[row - first]
        if not value.is_valid:
            raise OSError(errno.EIO, 'this row has no image', f'{self.path}/{name}')
        return value


@lru_cache(maxsize=_GROUPS_KEPT)
def _group(path: str, modified: int, leaf: str, group: int) -> 'pa.ChunkedArray':
    return read_leaf(path, leaf, group)


def read_leaf(path: str, leaf: str, group: int) -> 'pa.ChunkedArray':
    """The values of 'image' or 'image.bytes' in a row group.

    Raises:
        AnnotationError: the group is too large to be read for one image, or damaged.
    """
    from pyarrow import compute, types

    with open_parquet(path) as file:
        size = file.metadata.row_group(group).total_byte_size
        if size > MOST_BYTES_OF_A_GROUP:
            raise AnnotationError(
                f'{path}: row group {group} has {size:,} bytes, and an image is read with its whole group: write the file '
                'anew, pyarrow.parquet.write_table(table, path, row_group_size=100)'
            )
        column = file.read_row_group(group, columns=[leaf], use_threads=False).column(0)
    return compute.struct_field(column, 'bytes') if types.is_struct(column.type) else column


def leaf_of_bytes(field: 'pa.Field') -> str | None:
    """The column of an image's bytes: 'image' of a binary field, 'image.bytes' of a struct; None for other fields."""
    from pyarrow import types

    if '/' in field.name or field.name in ('', '.', '..'):
        return None
    is_binary = lambda kind: types.is_binary(kind) or types.is_large_binary(kind)  # noqa: E731
    if is_binary(field.type):
        return field.name
    if types.is_struct(field.type) and field.type.get_field_index('bytes') >= 0 and is_binary(field.type['bytes'].type):
        return f'{field.name}.bytes'
    return None


@contextmanager
def open_parquet(path: str) -> 'Iterator[pq.ParquetFile]':
    """A file to read from; errors as in `ParquetArchive`, also of what is read inside."""
    parquet = load_pyarrow(path)
    import pyarrow

    try:
        with pyarrow.OSFile(path) as file:
            yield parquet.ParquetFile(file)
    except (pyarrow.ArrowException, NotImplementedError, OSError, MemoryError, OverflowError, UnicodeError) as error:
        raise AnnotationError(f'{path}: not readable as Parquet ({one_line(error)})') from None


def load_pyarrow(path: str) -> Any:
    """`pyarrow.parquet`; UserError with the file that needs it and what to install."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f'{path}: Parquet files need pyarrow, pip install -e .[parquet]') from None
    if int(pyarrow.__version__.split('.')[0]) < _OLDEST_PYARROW:
        raise UserError(
            f'{path}: pyarrow {pyarrow.__version__} is too old to be safe: pip install -e .[parquet] takes a newer one'
        )
    return pyarrow.parquet


def one_line(error: BaseException) -> str:
    """Arrow's messages run over several lines."""
    return ' '.join(str(error).split()) or type(error).__name__
