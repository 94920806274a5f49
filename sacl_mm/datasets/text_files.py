"""Reads text and JSON files: UTF-8, with or without a byte order mark, or UTF-16 as Excel saves it."""

import codecs
import json
import os
from collections.abc import Iterator
from typing import Any

from sacl_mm.datasets.annotation_fields import shown
from sacl_mm.user_error import AnnotationError

_BYTE_ORDER_MARKS = {  # UTF-32's first: it begins like UTF-16's
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}


def encoding_of(head: bytes) -> str:
    """By the byte order mark; UTF-8 without one."""
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), 'utf-8-sig')


def read_text(path: str) -> str:
    """The whole text, its lines ended by '\\n'.

    Raises:
        FileNotFoundError: there is no such file.
        AnnotationError: it is no regular file, may not be read, or is not text; names the line.
    """
    return decode_text(read_bytes(path), path)


def decode_text(data: bytes, path: str) -> str:
    """The text of a whole file, its lines ended by '\\n'; AnnotationError names the path and the line if it is none."""
    encoding = encoding_of(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != 'utf-8-sig':
            raise AnnotationError(f'{path}: begins as {encoding.upper()}, but is not ({error.reason})') from None
        line = error.object.count(b'\n', 0, error.start) + 1
        raise AnnotationError(
            f'{path}:{line}: not UTF-8 text (byte {error.object[error.start]:#04x}); save the file as UTF-8 '
            "(in Excel: 'CSV UTF-8'; elsewhere: iconv -f <its encoding> -t utf-8)"
        ) from None
    return text.replace('\r\n', '\n').replace('\r', '\n')


def read_bytes(path: str, most: int = -1) -> bytes:
    """The beginning of a regular file, or all of it; errors as in `read_text`."""
    if not os.path.exists(path):
        raise FileNotFoundError(f'{path} does not exist')
    if not os.path.isfile(path):
        raise AnnotationError(f'{path}: expected a file, this is a folder or a device')
    try:
        with open(path, 'rb') as file:
            return file.read(most)
    except OSError as error:
        raise AnnotationError(f'{path}: cannot be read ({error.strerror})') from error


def beginning(data: bytes) -> str:
    """The text of a file's first bytes, from its first letter on; the last character may be cut in two."""
    return data.decode(encoding_of(data), errors='ignore').lstrip()


def text_lines(path: str) -> Iterator[tuple[str, str]]:
    """The lines that are not blank, each with its `file:line`."""
    for number, line in enumerate(read_text(path).split('\n'), 1):
        if line.strip():
            yield f'{path}:{number}', line


def load_json(path: str) -> Any:
    """The content of a JSON file; errors name the file."""
    return parse_json(read_text(path), path)


def load_json_list(path: str) -> list:
    """The content of a JSON file that must be a list."""
    content = load_json(path)
    if not isinstance(content, list):
        raise AnnotationError(f'{path}: expected a list of objects, it is {shown(content)}')
    return content


def load_json_lines(path: str) -> Iterator[tuple[str, object]]:
    """The values of a file with one value per line, each with its `file:line`; blank lines are skipped."""
    return ((where, parse_json(line, where)) for where, line in text_lines(path))


def parse_json(text: str, where: str) -> Any:
    """The value that a text holds; AnnotationError names the place."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise AnnotationError(f'{where}: not readable as JSON: nested too deeply') from None
    except ValueError as error:  # also a number of thousands of digits
        raise AnnotationError(f'{where}: not valid JSON ({error})') from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):  # a key occurs twice; Python would keep the last
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'the key {shown(twice)} stands twice in one object, {shown(content)}')
    return content
