"""A folder of images as Hugging Face's `imagefolder` takes it: a table beside them, with a column `file_name`."""

import os
from collections.abc import Callable

from sacl_mm.datasets.annotation_fields import check
from sacl_mm.datasets.archives.shards import names_in
from sacl_mm.datasets.caption_files import Captions, read_json_lines
from sacl_mm.datasets.column_names import Columns
from sacl_mm.datasets.image_files import has_image_suffix
from sacl_mm.datasets.parquet_files import read_parquet
from sacl_mm.datasets.table_files import read_table
from sacl_mm.reading_report import ReadingReport

METADATA: dict[str, Callable[..., Captions]] = {
    'metadata.jsonl': read_json_lines,
    'metadata.csv': read_table,
    'metadata.parquet': read_parquet,
}


def read_image_folder(path: str, columns: Columns | None = None, report: ReadingReport | None = None) -> Captions:
    """The folder's `metadata.jsonl`, `.csv` or `.parquet`, the first that is there; its names start from the folder.

    Texts beside the images, and images that are not listed, are passed over, and counted.
    """
    report = report or ReadingReport(path)
    check(os.path.isdir(path), f'{path}: expected a folder with {", ".join(METADATA)}')
    names = names_in(path)
    metadata = next((name for name in METADATA if name in names), None)
    check(metadata, f'{path}: no {", ".join(METADATA)} in this folder')
    assert metadata is not None
    listed = METADATA[metadata](os.path.join(path, metadata), columns=columns, report=report)
    captions: Captions = {}
    for name, texts in listed.items():
        captions[os.path.join(os.path.abspath(path), name)] = texts
    known = set(map(os.path.normpath, captions))
    for name in names:
        place = os.path.join(path, name)
        if has_image_suffix(name) and os.path.abspath(place) not in known:
            report.notice(f'images that {metadata} does not list', place)
        elif name.lower().endswith('.txt') or (name in METADATA and name != metadata):
            report.notice(f'texts passed over, as {metadata} is read', place)
    return captions
