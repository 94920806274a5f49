"""The fields of an annotation file's entries: a wrong one is refused with its file, its entry and what was expected."""

import os
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

T = TypeVar('T')

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_REPR.maxlevel = 2
_REPR.maxlist = 20
_HALF_CHARACTER = re.compile('[\ud800-\udfff]')


class FieldError(ValueError):
    """What is wrong with a field of an entry; `read_entries` adds the file and the entry."""


def check(condition: object, message: str) -> None:
    """AnnotationError with the message unless the condition holds."""
    if not condition:
        raise AnnotationError(message)


def read_entries(
    entries: Iterable[tuple[str, object]], expected: str, read: Callable[[dict], T]
) -> Iterator[tuple[str, T]]:
    """What `read` makes of each entry, with where it stands; AnnotationError says where and what was expected."""
    for where, entry in entries:
        try:
            if not isinstance(entry, dict):
                raise FieldError(f'it is {shown(entry)}')
            value = read(entry)
        except FieldError as error:
            raise AnnotationError(f'{where}: expected {expected} ({error})') from None
        yield where, value


def shown(value: object) -> str:
    """A value of an entry, shortened for a message."""
    return _REPR.repr(value)


def entries_of(content: Any, key: str, path: str, expected: str) -> list:
    """The list `content[key]`; AnnotationError, saying what is expected, if it is not there."""
    is_there = isinstance(content, dict) and isinstance(content.get(key), list)
    check(is_there, f'{path}: expected {expected}; it is {shown(content)}')
    return content[key]


def numbered(entries: list, what: str) -> Iterator[tuple[str, object]]:
    """Each entry with where it stands: 'captions.json: image 3', if `what` is 'captions.json: image'."""
    return ((f'{what} {number}', entry) for number, entry in enumerate(entries))


def text_field(entry: Any, key: str) -> str:
    """A text without white space around it."""
    return _field(entry, key, str, 'a text').strip()


def list_field(entry: Any, key: str) -> list:
    """A list of anything."""
    return _field(entry, key, list, 'a list')


def integer_field(entry: Any, key: str) -> int:
    """A whole number of 64 bits; true and false are none."""
    value = _field(entry, key, int, 'a whole number')
    if isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise FieldError(f'{key!r} must be a whole number of 64 bits, it is {shown(value)}')
    return value


def identity_field(entry: Any, key: str) -> int | str:
    """What tells entries apart: a text or a whole number."""
    value = entry.get(key)
    return text_field(entry, key) if isinstance(value, str) and value.strip() else integer_field(entry, key)


def texts_field(entry: Any, key: str) -> list[str]:
    """A text or a list of texts, as a list, without white space around them."""
    texts = [entry[key]] if isinstance(entry[key], str) else entry[key]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise FieldError(f'{key!r} must be a text or a list of texts, it is {shown(texts)}')
    return [text.strip() for text in texts]


def name_field(entry: Any, key: str) -> str:
    """The name of an image."""
    return image_name(_field(entry, key, str, 'the name of an image'))


def image_name(name: str) -> str:
    """The name as it is; FieldError unless a file can have it."""
    if not name.strip() or '\0' in name:
        raise FieldError(f'no file has the name {shown(name)}')
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise FieldError(f'no file has the name {shown(name)}: it holds half a character') from None
    return name


def _field(entry: Any, key: str, kind: type[T], described: str) -> T:
    if not isinstance(entry, dict) or key not in entry:
        raise FieldError(f'no {key!r} in {shown(entry)}')
    if not isinstance(entry[key], kind):
        raise FieldError(f'{key!r} must be {described}, it is {shown(entry[key])}')
    return entry[key]


def whole_text(text: str, report: ReadingReport, where: str) -> str:
    """The text with U+FFFD for each half of a character (a lone surrogate, what is left of an emoji that was cut)."""
    if text.isascii() or not _HALF_CHARACTER.search(text):
        return text
    report.repair('texts with half a character, read as U+FFFD', where)
    return _HALF_CHARACTER.sub('\ufffd', text)
