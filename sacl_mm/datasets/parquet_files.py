"""Tables of images and captions in Parquet files, as Hugging Face's data sets are; the images may be inside."""

import os
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING

from sacl_mm.datasets.annotation_fields import FieldError, check, image_name, shown, texts_field
from sacl_mm.datasets.archives.parquet_archive import leaf_of_bytes, open_parquet, read_leaf
from sacl_mm.datasets.archives.shards import shards_of
from sacl_mm.datasets.column_names import Columns, find_columns
from sacl_mm.datasets.image_files import has_image_suffix
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS_AT_ONCE = 4096
_LARGE_GROUP = 1 << 25


def read_parquet(
    path: str, columns: Columns | None = None, report: ReadingReport | None = None
) -> dict[str, list[str]]:
    """A Parquet file, or a folder of `*.parquet`. The image's column holds names, or images as bytes or as Hugging Face's
    struct {bytes, path}; the caption's a text or a list of texts.

    Images inside get absolute paths into the file, `train.parquet/image/7.jpg` for the row 7, counted from 0; where a
    struct has no bytes, `path` is the name. Images are not read here.

    Raises:
        AnnotationError: with the file, the row and what was expected.
        UserError: pyarrow is missing.
    """
    report = report or ReadingReport(path)
    captions: dict[str, list[str]] = {}
    for file in shards_of(path, '.parquet', report) if os.path.isdir(path) else [path]:
        for name, texts in _read_file(file, columns or {}, report):
            captions.setdefault(name, []).extend(texts)
    return captions


def _read_file(path: str, columns: Columns, report: ReadingReport) -> Iterator[tuple[str, list[str]]]:
    with open_parquet(path) as file:
        schema = file.schema_arrow
        try:
            image, caption = (schema.field(place) for place in find_columns(schema.names, columns))
        except FieldError as error:
            raise AnnotationError(f'{path}: {error}') from None
        leaf, name_leaf = leaf_of_bytes(image), _leaf_of_names(image)
        check(
            leaf or name_leaf,
            f'{path}: the images ({image.name!r}) must be names, bytes or {{bytes, path}}, not {image.type}',
        )
        if leaf:
            check(
                path.endswith('.parquet'),
                f'{path}: rename it so that it ends in .parquet, as images inside are found by that',
            )
        folder, row = f'{os.path.abspath(path)}/{image.name}', 0
        seen: set[str] = set()
        for group in range(file.metadata.num_row_groups):
            inside = _rows_with_bytes(path, file.metadata, group, leaf) if leaf else repeat(False)
            if leaf and file.metadata.row_group(group).total_byte_size > _LARGE_GROUP:
                report.notice('row groups of more than 32 MB: slow, as an image is read with its whole group', path)
            for (name, texts), has_bytes in zip(_rows(file, group, name_leaf, caption.name), inside, strict=False):
                where = f'{path}: row {row}'
                if has_bytes:
                    suffix = os.path.splitext(name)[1] if name and has_image_suffix(name) else ''
                    if name and name in seen:
                        report.notice('images inside that have the name of an earlier one', f'{where}, {name}')
                    seen.add(name or '')
                    yield f'{folder}/{row}{suffix.strip()}', _texts(texts, caption.name, where)
                elif name is None:
                    report.skip('rows without an image', where)
                else:
                    try:
                        yield image_name(name.strip()), _texts(texts, caption.name, where)
                    except FieldError as error:
                        raise AnnotationError(f'{where}: {error}') from None
                row += 1


def _leaf_of_names(field: 'pa.Field') -> str | None:
    """The column of the images' names: 'image' of a text field, 'image.path' of a struct."""
    if _is_text(field.type):
        return field.name
    from pyarrow import types

    is_struct = types.is_struct(field.type) and field.type.get_field_index('path') >= 0
    return f'{field.name}.path' if is_struct and _is_text(field.type['path'].type) else None


def _is_text(kind: 'pa.DataType') -> bool:
    from pyarrow import types

    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or (types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _rows(
    file: 'pq.ParquetFile', group: int, name_leaf: str | None, caption: str
) -> Iterator[tuple[str | None, object]]:
    """The image's name and the captions of each row of a row group."""
    leaves = [caption] if name_leaf is None else [name_leaf, caption]
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=leaves, use_threads=False):
        texts = batch.column(batch.schema.get_field_index(caption)).to_pylist()
        if name_leaf is None:
            yield from ((None, value) for value in texts)
            continue
        (place,) = set(range(batch.num_columns)) - {batch.schema.get_field_index(caption)}
        for name, value in zip(batch.column(place).to_pylist(), texts, strict=True):
            yield (name['path'] if isinstance(name, dict) else name), value


def _rows_with_bytes(path: str, metadata: 'pq.FileMetaData', group: int, leaf: str) -> Iterable[bool]:
    """Which rows of a group have their image inside; the statistics know it, if it is all or none."""
    about = metadata.row_group(group)
    for place in range(about.num_columns):
        column = about.column(place)
        statistics = column.statistics if column.path_in_schema == leaf else None
        nulls = statistics.null_count if statistics is not None and statistics.has_null_count else None
        if nulls in (0, about.num_rows):
            return repeat(nulls == 0)
    return read_leaf(path, leaf, group).is_valid().to_pylist()


def _texts(value: object, key: str, where: str) -> list[str]:
    texts = [text for text in (value if isinstance(value, list) else [value]) if text is not None]
    try:
        return texts_field({key: texts}, key)
    except FieldError:
        raise AnnotationError(f'{where}: {key!r} must be a text or a list of texts, it is {shown(value)}') from None
