"""Says in one line what a configuration got wrong about a registered type.

Registries build by `with_reason`: what is raised while a part is built stays what it is, and carries the reason. A bug of ours
is raised there, too. What is raised on purpose, by a `raise` or `assert`, refuses a setting, and what fails in the code of a
library does so for what it was given; where our own code fails, only an argument of another type than its signature's is the
user's mistake.
"""

import functools
import inspect
import os
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.registry import Registry

from sacl_mm.user_error import did_you_mean

_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r'missing \d+ required .*arguments?: (.*)$')
_LIBRARIES = ('mmcv', 'mmengine', 'mmpretrain', 'numpy', 'timm', 'torch', 'torchvision', 'transformers')
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


def with_reason(build: Callable) -> Callable:
    """A registry's build function whose errors `build_mistake` knows a reason for; given one of these, itself."""
    if hasattr(build, '__wrapped__'):
        return build

    @functools.wraps(build)
    def build_with_reason(cfg: Any, *args: Any, registry: Registry, **options: Any) -> Any:
        try:
            return build(cfg, *args, registry=registry, **options)
        except Exception as error:
            if 'build_mistake' not in vars(error):  # else the error of a part, whose own registry has judged it
                default = options.get('default_args', args[0] if args else None)
                _judge(error, cfg, default or {}, registry)
            raise

    return build_with_reason


@contextmanager
def building_from_configuration() -> Iterator[None]:
    """The same for what is built without a registry: a data loader, a runner."""
    try:
        yield
    except Exception as error:
        if 'build_mistake' not in vars(error):
            refused = _is_raised(error) or _is_of_library(_places(error)[-1])
            vars(error)['build_mistake'] = f'the configuration: {_words(error)}' if refused else None
        raise


def build_mistake(error: Exception) -> str | None:
    """What is wrong with the configuration, if that is why a part could not be built; None for any other error."""
    about = vars(error)
    if about.get('build_mistake') is None and 'untyped_part' in about:
        return f'the configuration has {about["untyped_part"]} where a dict with a type is needed'
    return about.get('build_mistake')


def unknown_type(name: str, registry: Registry) -> str:
    """What to say of a type that is not registered."""
    known = set(registry.module_dict) | set(getattr(registry.parent, 'module_dict', {}))
    elsewhere = [scope for scope, child in registry.children.items() if child.get(name) is not None]
    hint = (
        f"; it is in {elsewhere[0]}: set default_scope = '{elsewhere[0]}'" if elsewhere else did_you_mean(name, known)
    )
    return f"the configuration's type '{name}' is not in the registry of {registry.name}s{hint}"


def _judge(error: Exception, cfg: Any, default: Mapping, registry: Registry) -> None:
    arguments = {**default, **cfg} if isinstance(cfg, Mapping) else {}
    scope, built = arguments.pop('_scope_', None), arguments.pop('type', None)
    if not isinstance(built, str) and not callable(built):
        shown = {key: value for key, value in cfg.items() if key != '_scope_'} if isinstance(cfg, Mapping) else cfg
        vars(error)['untyped_part'] = repr(shown)  # the type that it is a part of is named further out
        return
    if isinstance(built, str):
        with registry.switch_scope_and_registry(scope) as searched:
            name, built = built, searched.get(built)
            if built is None:
                vars(error)['build_mistake'] = unknown_type(name, searched)
                return
    vars(error)['build_mistake'] = _mistake(error, built, arguments)


def _mistake(error: Exception, built: Callable, arguments: dict[str, Any]) -> str | None:
    name = getattr(built, '__name__', str(built))
    start, known = f"the configuration's type '{name}'", _parameters(built)
    if 'untyped_part' in vars(error):
        return f'{start} has {vars(error)["untyped_part"]} where a dict with a type is needed'
    unexpected = _UNEXPECTED.search(str(error)) if isinstance(error, TypeError) else None
    if unexpected and unexpected[1] in arguments:
        hint = did_you_mean(unexpected[1], known)
        return f"the configuration gives type '{name}' an argument '{unexpected[1]}', which it does not have{hint}"
    missing = _MISSING.search(str(error)) if isinstance(error, TypeError) else None
    if missing and set(re.findall(r"'(\w+)'", missing[1])) <= known - set(arguments):
        return f'{start} lacks {missing[1]}'
    if _is_raised(error):
        return f'{start}: {_words(error)}'
    wrong = wrong_type(built, arguments)
    if wrong:
        return f'{start}: {wrong}'
    places = _places(error)
    if _is_of_library(places[-1]) or isinstance(error, (ImportError, OSError, UnicodeError)):
        place = [place for place in places if not _is_of_library(place)][-1:] or places
        where = f'{os.path.relpath(place[-1].filename)}, line {place[-1].lineno}'
        return f'{start} cannot be built: {type(error).__name__}: {_words(error)} ({where})'
    return None


def _places(error: Exception) -> list[traceback.FrameSummary]:
    """Where it passed, the innermost last."""
    places = traceback.extract_tb(error.__traceback__)
    return [place for place in places if place.filename != __file__] or list(places)


def _is_of_library(place: traceback.FrameSummary) -> bool:
    files = [sys.modules[name].__file__ for name in _LIBRARIES if name in sys.modules]
    folders = [os.path.dirname(file) for file in files if file is not None]
    return place.filename.startswith(tuple(folder + os.sep for folder in folders))


def _is_raised(error: Exception) -> bool:
    """By a `raise` or `assert`, not by an operation that failed."""
    return (_places(error)[-1].line or '').startswith(('raise ', 'assert '))


def _words(error: Exception) -> str:
    """An error's message in one line; of an assertion without one, what it asserts."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    if isinstance(error, AssertionError) and not str(error):
        return f'its settings do not fulfil `{_places(error)[-1].line}`'
    return ' '.join(str(text).split())


def _functions(built: Callable) -> list[Callable]:
    """The function, or the constructors of the class and its bases."""
    return [cls.__init__ for cls in built.__mro__] if inspect.isclass(built) else [built]  # type: ignore[misc]


def _parameters(built: Callable) -> set[str]:
    """The names of the arguments."""
    return {
        name
        for function in _functions(built)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != 'self'
    }


# ------------------------------------------------------------------------------------------------ types of arguments
def wrong_type(built: Callable, arguments: dict[str, Any]) -> str | None:
    """What is wrong with the first argument that is none of the plain types that the signature names; None if all are, or if
    it names others."""
    hints: dict[str, Any] = {}
    for function in reversed(_functions(built)):
        try:
            hints |= typing.get_type_hints(function)
        except (AttributeError, NameError, TypeError):  # names that only a type checker knows
            continue
    for name, value in arguments.items():
        if name in hints and not _fits(value, hints[name]):
            return f'{name} must be {_type_in_words(hints[name])}, got {value!r}'
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


def _type_in_words(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return ' or '.join(map(_type_in_words, typing.get_args(hint)))
    if hint is type(None):
        return 'None'
    return hint.__name__ if inspect.isclass(hint) and not typing.get_args(hint) else str(hint)
