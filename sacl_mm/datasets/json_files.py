"""JSON annotation files: what is wrong is said with the file."""

import json
from collections.abc import Iterator

from sacl_mm.datasets.annotation_fields import shown
from sacl_mm.datasets.text_files import read_text, text_lines
from sacl_mm.user_error import AnnotationError


def load_json(path: str) -> object:
    """The content of a JSON file; errors name the file."""
    return _parse(read_text(path), path)


def load_json_lines(path: str) -> Iterator[tuple[str, object]]:
    """The values of a file with one a line, each with its `file:line`; blank lines are passed over."""
    return ((where, _parse(line, where)) for where, line in text_lines(path))


def _parse(text: str, where: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise AnnotationError(f'{where}: not readable as JSON: nested too deeply') from None
    except ValueError as error:  # also a number of thousands of digits
        raise AnnotationError(f'{where}: not valid JSON ({error})') from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):  # of which Python would keep the last
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'the key {shown(twice)} stands twice in one object, {shown(content)}')
    return content
