"""Compares the arguments that a configuration gives to a type with what its signature declares."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# By what configurations write them as: lists and tuples are one thing there.
_ALLOWED = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str,),
    list: (list, tuple),
    tuple: (list, tuple),
    Sequence: (list, tuple, str),
    dict: (dict,),
    Mapping: (dict,),
    type(None): (type(None),),
}


def wrong_type(built: Callable, arguments: dict[str, Any]) -> str | None:
    """What is wrong with the first argument that is none of the plain types that the signature names; None if all are, or if
    it names others."""
    functions = [cls.__init__ for cls in reversed(built.__mro__)] if inspect.isclass(built) else [built]
    hints: dict[str, Any] = {}
    for function in functions:
        try:
            hints |= typing.get_type_hints(function)
        except (AttributeError, NameError, TypeError):  # names that only a type checker knows
            continue
    for name, value in arguments.items():
        if name in hints and not _fits(value, hints[name]):
            return f'{name} must be {_words(hints[name])}, got {value!r}'
    return None


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    allowed = _ALLOWED.get(origin or hint)
    if allowed is None:
        return True
    return isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))


def _words(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return ' or '.join(map(_words, typing.get_args(hint)))
    if hint is type(None):
        return 'None'
    return hint.__name__ if inspect.isclass(hint) and not typing.get_args(hint) else str(hint)
