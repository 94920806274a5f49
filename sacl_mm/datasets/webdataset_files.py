"""WebDataset's shards: tar archives with the parts of a sample side by side, `7.jpg`, `7.txt`, `7.json`."""

import os
import re

from sacl_mm.datasets.annotation_fields import FieldError, check, shown, texts_field
from sacl_mm.datasets.archives import open_archive
from sacl_mm.datasets.archives.shards import shards_of
from sacl_mm.datasets.archives.tar_archive import TarArchive
from sacl_mm.datasets.column_names import Columns, find_column
from sacl_mm.datasets.image_files import IMAGE_SUFFIXES
from sacl_mm.datasets.text_files import decode_text, parse_json
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

# WebDataset's rule: the key ends at the first dot of the name without its folders.
_PART = re.compile(r'(?P<key>(?:.*/)?[^./]+)\.(?P<suffix>[^/]+)', re.DOTALL)
_MOST_BYTES_OF_A_TEXT = 1 << 20


def read_webdataset(
    path: str, columns: Columns | None = None, report: ReadingReport | None = None
) -> dict[str, list[str]]:
    """A `.tar`, or a folder of them: `7.jpg` (or another image) with `7.txt`, one caption a line, or `7.json`.

    Names are absolute paths into the archive, in its order. In `.json` the caption stands under one of
    `column_names.CAPTION_COLUMNS`, and is read if there is no `.txt` or if `columns=dict(caption=...)` names the key. Parts of
    other kinds are passed over, and counted. The archives are not compressed: members are read from their places.

    Raises:
        AnnotationError: with the archive, the member and what was expected.
    """
    report, columns = report or ReadingReport(path), columns or {}
    check(
        'image' not in columns, f'{path}: in WebDataset the image is a part of its own, give columns=dict(caption=...)'
    )
    captions: dict[str, list[str]] = {}
    for shard in shards_of(path, '.tar', report):
        captions.update(_read_shard(shard, columns, report))
    check(
        captions,
        f"{path}: no image ({', '.join(IMAGE_SUFFIXES)}) in WebDataset's layout, where a suffix begins at the first dot of a "
        'name; a tar of plain files is read with a caption file, data_prefix=dict(img_path=<the tar>)',
    )
    return captions


def _read_shard(path: str, columns: Columns, report: ReadingReport) -> dict[str, list[str]]:
    archive = open_archive(path)
    assert isinstance(archive, TarArchive)
    for kind, reason, where in archive.remarks:
        (report.skip if kind == 'skip' else report.notice)(reason, where)
    samples: dict[str, dict[str, str]] = {}
    for name in archive:
        if match := _PART.fullmatch(name):
            parts = samples.setdefault(match['key'], {})
            if parts.setdefault(match['suffix'].lower(), name) != name:
                report.notice('parts that a sample has in capitals, too, passed over', f'{path}/{name}')
        else:
            report.notice('members without a key or suffix passed over', f'{path}/{name}')
    captions = {}
    for parts in samples.values():
        images = [name for suffix, name in parts.items() if f'.{suffix}' in IMAGE_SUFFIXES]
        for suffix, name in parts.items():
            if name in images[1:]:
                report.notice('further images of a sample passed over', f'{path}/{name}')
            elif name not in images and suffix not in ('txt', 'json'):
                report.notice(f'parts of another kind passed over (.{suffix})', f'{path}/{name}')
            elif not images:
                report.skip('texts without an image', f'{path}/{name}')
        if images:
            captions[f'{os.path.abspath(path)}/{images[0]}'] = _captions(archive, parts, columns)
    return captions


def _captions(archive: TarArchive, parts: dict[str, str], columns: Columns) -> list[str]:
    suffix = next((suffix for suffix in (['json'] if columns else ['txt', 'json']) if suffix in parts), None)
    if suffix is None:
        return []
    where = f'{archive.path}/{parts[suffix]}'
    size = archive.size(parts[suffix])
    check(size <= _MOST_BYTES_OF_A_TEXT, f'{where}: {size:,} bytes are too many for the captions of an image')
    try:
        text = decode_text(archive.read(parts[suffix]), where)
    except OSError as error:
        raise AnnotationError(f'{where}: cannot be read ({error.strerror})') from error
    if suffix == 'txt':
        return [line.strip() for line in text.split('\n') if line.strip()]
    entry = parse_json(text, where)
    check(isinstance(entry, dict), f'{where}: expected an object with the caption, it is {shown(entry)}')
    try:
        key = list(entry)[find_column(list(entry), 'caption', columns)]
        return [] if entry[key] is None else texts_field(entry, key)
    except FieldError as error:
        raise AnnotationError(f'{where}: {error}') from None
