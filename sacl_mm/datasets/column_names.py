"""Which columns of a table, or keys of a JSON object, hold the image and the caption."""

from collections.abc import Sequence
from typing import TypeGuard

from sacl_mm.datasets.annotation_fields import FieldError, check, shown

Columns = dict[str, str] | dict[str, int]

# In the order in which they are preferred where a table has several.
IMAGE_COLUMNS = (
    'image', 'filepath', 'file_path', 'image_path', 'img_path', 'file_name', 'filename', 'image_name', 'img_name',
    'image_file', 'img', 'path', 'file',
)  # fmt: skip
CAPTION_COLUMNS = (
    'caption', 'text', 'title', 'sentence', 'description', 'captions', 'alt_text', 'alt', 'comment', 'prompt',
)  # fmt: skip
_ADDRESS_COLUMNS = ('url', 'image_url', 'img_url', 'photo_image_url', 'link')
TO_DOWNLOAD = (
    'the file has addresses of images, not names: img2dataset downloads them (pip install img2dataset; img2dataset '
    '--url_list=<this file> --input_format=<tsv, csv, json or parquet> --url_col=<their column> --caption_col=<the captions> '
    '--output_format=files --output_folder=images), and the folder that it writes is read with ann_file=images'
)


def check_columns(columns: Columns) -> None:
    """AnnotationError unless it is dict(image=..., caption=...), both names or, for a table without a header, numbers."""
    unknown = columns.keys() - {'image', 'caption'}
    check(not unknown, f'columns: unknown {sorted(unknown)}; known are image and caption')
    names = all(isinstance(value, str) for value in columns.values())
    check(
        names or are_numbers(columns),
        f'columns={dict(columns)}: give names, or for a table without a header both as different numbers from 0 on',
    )


def are_numbers(columns: Columns) -> TypeGuard[dict[str, int]]:
    """Whether the columns are given by their places, for a table without a header."""
    places = list(columns.values())
    return all(type(place) is int and place >= 0 for place in places) and len(set(places)) == 2


def is_header(image: str, caption: str) -> bool:
    """Whether two fields are usual names of the columns."""
    return _plain(image) in IMAGE_COLUMNS and _plain(caption) in CAPTION_COLUMNS


def find_columns(names: Sequence[str], columns: Columns) -> tuple[int, int]:
    """The places of image and caption among the names, which may be in any case.

    Raises:
        FieldError: one is not there, or is there twice; with what to do.
    """
    return find_column(names, 'image', columns), find_column(names, 'caption', columns)


def find_column(names: Sequence[str], key: str, columns: Columns) -> int:
    """The place of the 'image' or the 'caption'; errors as in `find_columns`."""
    usual = IMAGE_COLUMNS if key == 'image' else CAPTION_COLUMNS
    plain = [_plain(name) for name in names]
    for wanted in (_plain(str(columns[key])),) if key in columns else usual:
        if wanted in plain:
            if plain.count(wanted) > 1:
                raise FieldError(f'the column {wanted!r} stands {plain.count(wanted)} times in {shown(list(names))}')
            return plain.index(wanted)
    if key == 'image' and key not in columns and has_addresses(names):
        raise FieldError(TO_DOWNLOAD)
    names_tried = columns[key] if key in columns else ', '.join(usual)
    raise FieldError(f'no column for the {key} ({names_tried}) in {shown(list(names))}; set columns=dict({key}=...)')


def has_addresses(names: Sequence[str]) -> bool:
    """Whether a column is named like one of addresses."""
    return any(_plain(name) in _ADDRESS_COLUMNS for name in names)


def _plain(name: str) -> str:
    return name.strip().strip('\ufeff').lower().replace(' ', '_').replace('-', '_')
