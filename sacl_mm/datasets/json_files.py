"""JSON annotation files: what is wrong is said with the file, the entry and what was expected."""

import json
from collections.abc import Iterator


def load_json(path: str) -> object:
    """The content of a JSON file; ValueError names the file."""
    try:
        with open(path, encoding='utf-8-sig') as file:
            return json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: not valid JSON ({error})') from error


def load_json_lines(path: str) -> Iterator[tuple[str, object]]:
    """The objects of a file with one a line, each with its `file:line`; blank lines are passed over."""
    with open(path, encoding='utf-8-sig') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield f'{path}:{number}', json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f'{path}:{number}: not valid JSON ({error})') from error


def check(condition: bool, message: str) -> None:
    """ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)
