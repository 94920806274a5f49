"""Which reader a caption file needs, told by its name and its beginning."""

import json
import os
import re
from collections.abc import Sequence

from sacl_mm.datasets.caption_files import (
    CAPTION_COLUMNS,
    IMAGE_COLUMNS,
    Captions,
    read_coco,
    read_flickr30k_csv,
    read_flickr_tokens,
    read_folder,
    read_json_lines,
    read_json_list,
    read_karpathy,
    read_names,
    read_table,
)

READERS = {
    'coco': read_coco,
    'karpathy': read_karpathy,
    'json': read_json_list,
    'jsonl': read_json_lines,
    'flickr_tokens': read_flickr_tokens,
    'flickr30k_csv': read_flickr30k_csv,
    'table': read_table,
    'folder': read_folder,
}
_BYTES_TO_JUDGE_BY = 1 << 16


def read_captions(
    path: str, format: str = 'auto', split: str | Sequence[str] | None = None, columns: dict[str, str] | None = None
) -> Captions:
    """Read a caption file of a known format.

    Args:
        format: a key of `READERS`, or 'auto' (see `detect_format`).
        split: for format 'karpathy' only.
        columns: for format 'table' only.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not what the format expects, or an option does not belong to the format.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f'the caption file {path} does not exist; check ann_file and data_root')
    if format not in ('auto', *READERS):
        raise ValueError(f'unknown format {format!r} of caption files; known: auto, {", ".join(READERS)}')
    try:
        format = detect_format(path, columns) if format == 'auto' else format
        options = {}
        for name, value, owner in (('split', split, 'karpathy'), ('columns', columns, 'table')):
            if value is not None and format != owner:
                raise ValueError(
                    f'{path} has format {format!r}, but {name}= belongs to format {owner!r}'
                    + ('; for a list of image names use split_file=' if name == 'split' else '')
                )
            if value is not None:
                options[name] = value
        return READERS[format](path, **options)
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: not UTF-8 text ({error})') from error


def detect_format(path: str, columns: dict[str, str] | None = None) -> str:
    """The key of `READERS` for a file or folder; ValueError, naming them all, if its beginning fits none."""
    if os.path.isdir(path):
        return 'folder'
    with open(path, 'rb') as file:
        # A character cut in two at the end of the piece is no reason to refuse the file.
        head = file.read(_BYTES_TO_JUDGE_BY).decode('utf-8-sig', errors='ignore').lstrip()
    first_line = head.partition('\n')[0]
    if head.startswith('['):
        return 'json'
    if head.startswith('{'):
        return _detect_json_object(head, first_line)
    if re.match(r'[^\t]+#\d+\t', first_line):
        return 'flickr_tokens'
    if re.match(r'[^|]+\|\s*comment_number\s*\|', first_line):
        return 'flickr30k_csv'
    names = {name.strip().strip('"') for name in re.split(r'[,\t]', first_line)}
    wanted = columns or {}
    if (names & {wanted.get('image'), *IMAGE_COLUMNS}) and (names & {wanted.get('caption'), *CAPTION_COLUMNS}):
        return 'table'
    raise ValueError(
        f'{path}: cannot tell the format from its first line {first_line[:80]!r}; '
        f'set format= to one of {", ".join(READERS)}'
    )


def _detect_json_object(head: str, first_line: str) -> str:
    try:
        keys = json.loads(first_line).keys()
    except json.JSONDecodeError:  # an object over several lines, or longer than the piece
        keys = ()
    if 'image' in keys:
        return 'jsonl'
    return 'karpathy' if '"sentences"' in head else 'coco'


def keep_listed(captions: Captions, split_file: str) -> Captions:
    """The images that a split file lists, in its order.

    Raises:
        ValueError: a listed name has no captions; says how many and which.
    """
    names = list(dict.fromkeys(read_names(split_file)))
    unknown = [name for name in names if name not in captions]
    if unknown:
        known = next(iter(captions), None)
        raise ValueError(
            f'{split_file}: {len(unknown)} of {len(names)} names are not in the caption file: '
            f'{", ".join(unknown[:3])}; names there look like {known!r}'
        )
    return {name: captions[name] for name in names}
