"""Chooses the reader of a caption file by its name and its beginning."""

import json
import os
import re
from collections.abc import Callable, Sequence

from sacl_mm.datasets.annotation_fields import FieldError, check, whole_text
from sacl_mm.datasets.archives.shards import names_in
from sacl_mm.datasets.caption_files import (
    Captions,
    read_coco,
    read_flickr30k_csv,
    read_flickr_tokens,
    read_json_lines,
    read_json_list,
    read_karpathy,
    read_names,
)
from sacl_mm.datasets.column_names import TO_DOWNLOAD, Columns, are_numbers, check_columns
from sacl_mm.datasets.image_files import has_image_suffix
from sacl_mm.datasets.metadata_files import METADATA, read_image_folder
from sacl_mm.datasets.parquet_files import read_parquet
from sacl_mm.datasets.sidecar_files import read_folder
from sacl_mm.datasets.table_files import SEPARATORS, read_header, read_table, split_line
from sacl_mm.datasets.text_files import beginning, read_bytes
from sacl_mm.datasets.webdataset_files import read_webdataset
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

READERS: dict[str, Callable[..., Captions]] = {
    'coco': read_coco,
    'karpathy': read_karpathy,
    'json': read_json_list,
    'jsonl': read_json_lines,
    'flickr_tokens': read_flickr_tokens,
    'flickr30k_csv': read_flickr30k_csv,
    'table': read_table,
    'folder': read_folder,
    'imagefolder': read_image_folder,
    'parquet': read_parquet,
    'webdataset': read_webdataset,
}
_OWNERS = dict(split=('karpathy',), columns=('table', 'json', 'jsonl', 'parquet', 'imagefolder', 'webdataset'))
_BYTES_TO_JUDGE_BY = 1 << 16

_TAR_MARK = 257  # where 'ustar' stands in a tar archive

# Formats that are not read here, by their first bytes.

_ARROW = (
    'an Arrow file: write it as Parquet first, '
    "datasets.Dataset.from_file(path).to_parquet('pairs.parquet'), which is read"
)
_PACKED = {
    b'PARE': 'an encrypted Parquet file: decrypt it first',
    b'ARROW1': _ARROW,
    b'\xff\xff\xff\xff': _ARROW,  # a stream, as the datasets library saves it
    b'PK\x03\x04': (
        'a zip archive or an Excel workbook: unpack the archive, or save the workbook as CSV UTF-8, and give what comes out'
    ),
    b'\x1f\x8b': 'compressed with gzip: unpack it first (gunzip; a .tar.gz becomes a .tar, which is read)',
    b'BZh': 'compressed with bzip2: unpack it first (bunzip2)',
    b'\xfd7zXZ': 'compressed with xz: unpack it first (unxz)',
    b'\x28\xb5\x2f\xfd': 'compressed with zstd: unpack it first (unzstd)',
    b'\x89HDF': 'an HDF5 file: write its names and captions as a table first, image,caption',
}


def read_captions(
    path: str,
    format: str = 'auto',
    split: str | Sequence[str] | None = None,
    columns: Columns | None = None,
    report: ReadingReport | None = None,
) -> Captions:
    """Read a caption file of a known format.

    Args:
        format: a key of `READERS`, or 'auto' (see `detect_format`).
        split: for format 'karpathy' only.
        columns: for tables, JSON, Parquet and WebDataset.
        report: filled with what was repaired and skipped.

    Raises:
        FileNotFoundError: the file does not exist.
        AnnotationError: it is not what the format expects, or an option does not belong to the format.
    """
    report = report or ReadingReport(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f'the caption file {path} does not exist; check ann_file and data_root')
    check(
        format in ('auto', *READERS), f'unknown format {format!r} of caption files; known: auto, {", ".join(READERS)}'
    )
    check_columns(columns or {})
    format = detect_format(path, columns) if format == 'auto' else format
    options = {name: value for name, value in dict(split=split, columns=columns).items() if value is not None}
    for name in options:
        check(
            format in _OWNERS[name],
            f'{path} has format {format!r}, but {name}= belongs to format {" or ".join(map(repr, _OWNERS[name]))}'
            + ('; for a list of image names use split_file=' if name == 'split' else ''),
        )
    check(
        format == 'table' or not are_numbers(columns or {}),
        f'{path} has format {format!r}: its columns have names, not numbers',
    )
    return _whole(READERS[format](path, report=report, **options), path, report)


def _whole(captions: Captions, path: str, report: ReadingReport) -> Captions:
    return {
        name: [whole_text(text, report, f'{path}: caption of {name}') for text in texts]
        for name, texts in captions.items()
    }


def detect_format(path: str, columns: Columns | None = None) -> str:
    """The key of `READERS` for a file or folder; AnnotationError, naming them all, if its beginning fits none."""
    if os.path.isdir(path):
        return _detect_folder(path)
    data = read_bytes(path, _BYTES_TO_JUDGE_BY)
    advice = _how_to_unpack(data)
    check(advice is None, f'{path} is {advice}')
    if data.startswith(b'PAR1'):
        return 'parquet'
    if data[_TAR_MARK:].startswith(b'ustar') or path.endswith('.tar'):
        return 'webdataset'
    head = beginning(data)
    first_line = re.split('[\r\n]', head, maxsplit=1)[0]
    if head.startswith('['):
        return 'json'
    if head.startswith('{'):
        return _detect_json_object(head, first_line)
    if are_numbers(columns or {}):
        return 'table'
    if re.match(r'[^\t]+#\d+\t', first_line):
        return 'flickr_tokens'
    if re.match(r'[^|]+\|\s*comment_number\s*\|', first_line):
        return 'flickr30k_csv'
    if re.fullmatch(r'"?sep=[,;|\t]"? *', first_line):
        return 'table'
    try:
        read_header(first_line, columns or {})
    except FieldError as error:
        check(str(error) != TO_DOWNLOAD and '://' not in first_line, f'{path}: {TO_DOWNLOAD}')
        raise AnnotationError(
            f'{path}: cannot tell the format from its first line {first_line[:80]!r}; {_hint(first_line, error)}'
            f'set format= to one of {", ".join(READERS)}'
        ) from None
    return 'table'


def _detect_folder(path: str) -> str:
    """Archives count where no image lies beside them; img2dataset writes a `.parquet` without images beside each `.tar`."""
    names = names_in(path)
    if any(name in METADATA for name in names):
        return 'imagefolder'
    if not any(map(has_image_suffix, names)):
        for suffix, format in (('.tar', 'webdataset'), ('.parquet', 'parquet')):
            if any(name.endswith(suffix) for name in names):
                return format
    return 'folder'


def _how_to_unpack(head: bytes) -> str | None:
    """'an Arrow file: ...' with what makes it readable, None for what is not packed."""
    return next((advice for mark, advice in _PACKED.items() if head.startswith(mark)), None)


def _hint(first_line: str, error: FieldError) -> str:
    """The fix for a table without a known column."""
    for separator in SEPARATORS:
        cells = split_line(first_line, separator)
        images = [place for place, cell in enumerate(cells) if has_image_suffix(cell)]
        if len(cells) > 1 and images:
            caption = 1 if images[0] == 0 else 0
            return f'a table without a header needs columns=dict(image={images[0]}, caption={caption}); '
        if len(cells) > 1:
            return f'{error}; '
    return ''


def _detect_json_object(head: str, first_line: str) -> str:
    try:
        entry = json.loads(first_line)
    except (ValueError, RecursionError):  # an object over several lines, or longer than the piece
        entry = {}
    if entry and not entry.keys() & {'images', 'annotations'}:
        return 'jsonl'
    return 'karpathy' if '"sentences"' in head else 'coco'


def keep_listed(captions: Captions, split_file: str, report: ReadingReport | None = None) -> Captions:
    """The images that a split file lists, in its order.

    Raises:
        AnnotationError: a listed name has no captions; says how many and which.
    """
    report = report or ReadingReport(split_file)
    listed = read_names(split_file)
    names = list(dict.fromkeys(listed))
    seen = set()
    for name in listed:
        if name in seen:
            report.notice('images that are listed again', f'{split_file}, {name}')
        seen.add(name)
    unknown = [name for name in names if name not in captions]
    if unknown:
        known = next(iter(captions), None)
        raise AnnotationError(
            f'{split_file}: {len(unknown)} of {len(names)} names are not in the caption file: '
            f'{", ".join(unknown[:3])}; names there look like {known!r}'
        )
    return {name: captions[name] for name in names}
