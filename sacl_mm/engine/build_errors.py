"""Says in one line what a configuration got wrong about a registered type.

A mistake shows while something is built from a configuration: in a registry's `build_from_cfg`, or in a method of MMEngine's
Runner that builds a part (a data loader, say). A bug of ours shows there, too. What is raised on purpose, by a `raise` or
`assert`, refuses a setting, and what fails in the code of a library does so for what it was given; where our own code fails,
only an argument of another type than its signature's is the user's mistake.
"""

import dis
import inspect
import os
import re
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from mmengine.registry import Registry

from sacl_mm.engine.argument_types import wrong_type
from sacl_mm.engine.config_options import did_you_mean

_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r'missing \d+ required .*arguments?: (.*)$')
_LIBRARIES = ('mmcv', 'mmengine', 'mmpretrain', 'numpy', 'timm', 'torch', 'torchvision', 'transformers')
_RUNNER_BUILDS = re.compile(r'_?build_.*|register_.*|_check_.*|__init__|setup_env|set_randomness|scale_lr')
_RAISE = dis.opmap['RAISE_VARARGS']


def build_mistake(error: Exception) -> str | None:
    """What is wrong with the configuration, if that is why a part could not be built; None for any other error."""
    places = list(traceback.walk_tb(error.__traceback__))
    if not places:
        return None
    frames = [frame for frame, _ in places]
    # mmengine's function for registered types; the innermost, because models build their parts.
    building = [frame for frame in frames if frame.f_code.co_name == 'build_from_cfg']
    if building and building[-1] is frames[-1]:
        return _refused_by_registry(building, error)
    in_library = _package(frames[-1]) in _LIBRARIES
    if not building:
        by_runner = any(
            frame.f_globals.get('__name__') == 'mmengine.runner.runner'
            and _RUNNER_BUILDS.fullmatch(frame.f_code.co_name)
            for frame in frames
        )
        return f'the configuration: {_words(error)}' if by_runner and (in_library or _is_raised(error)) else None
    built, arguments = building[-1].f_locals.get('obj_cls'), building[-1].f_locals.get('args') or {}
    if built is None:
        return None
    unexpected = _unexpected(error, built, arguments)
    if unexpected:
        return unexpected
    start = f"the configuration's type '{_name(built)}'"
    if _is_raised(error):
        return f'{start}: {_words(error)}'
    wrong = wrong_type(built, arguments)
    if wrong:
        return f'{start}: {wrong}'
    if in_library or isinstance(error, (ImportError, OSError, UnicodeError)):
        own = [place for place in places if _package(place[0]) not in _LIBRARIES]
        file, line = os.path.relpath(own[-1][0].f_code.co_filename), own[-1][1]
        return f'{start} cannot be built: {type(error).__name__}: {_words(error)} ({file}, line {line})'
    return None


def unknown_type(name: str, registry: Registry) -> str:
    """What to say of a type that is not registered."""
    known = set(registry.module_dict) | set(getattr(registry.parent, 'module_dict', {}))
    elsewhere = [scope for scope, child in registry.children.items() if child.get(name) is not None]
    hint = (
        f"; it is in {elsewhere[0]}: set default_scope = '{elsewhere[0]}'" if elsewhere else did_you_mean(name, known)
    )
    return f"the configuration's type '{name}' is not in the registry of {registry.name}s{hint}"


def _refused_by_registry(building: list[FrameType], error: Exception) -> str:
    """Without the type being called, or by the call itself."""
    inside = building[-1].f_locals
    name, registry, built = (inside.get(variable) for variable in ('obj_type', 'registry', 'obj_cls'))
    if built is None and isinstance(name, str) and isinstance(registry, Registry):
        return unknown_type(name, registry)
    if built is None:
        outer = [frame.f_locals.get('obj_cls') for frame in building[:-1]]
        owner = f"configuration's type '{_name(outer[-1])}'" if outer else 'configuration'
        given = inside.get('cfg')
        shown = {key: value for key, value in given.items() if key != '_scope_'} if isinstance(given, dict) else given
        return f'the {owner} has {shown!r} where a dict with a type is needed'
    missing = _MISSING.search(str(error))
    if missing:
        return f"the configuration's type '{_name(built)}' lacks {missing[1]}"
    return _unexpected(error, built, inside['args']) or f"the configuration's type '{_name(built)}': {_words(error)}"


def _unexpected(error: Exception, built: Callable, arguments: dict) -> str | None:
    """An argument that the type, or a base class of it, does not have."""
    unexpected = _UNEXPECTED.search(str(error)) if isinstance(error, TypeError) else None
    if not unexpected or unexpected[1] not in arguments:
        return None
    hint = did_you_mean(unexpected[1], _parameters(built))
    return f"the configuration gives type '{_name(built)}' an argument '{unexpected[1]}', which it does not have{hint}"


def _is_raised(error: Exception) -> bool:
    """By a `raise` or `assert`, not by an operation that failed."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    return last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


def _words(error: Exception) -> str:
    """An error's message in one line; of an assertion without one, what it asserts."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    if isinstance(error, AssertionError) and not str(error):
        return f'its settings do not fulfil `{traceback.extract_tb(error.__traceback__)[-1].line}`'
    return ' '.join(str(text).split())


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get('__name__')).partition('.')[0]


def _name(built: Any) -> str:
    return getattr(built, '__name__', str(built))


def _parameters(built: Callable) -> set[str]:
    """The names of the arguments of a function or class; of a class also those of its bases."""
    functions = [cls.__init__ for cls in built.__mro__] if inspect.isclass(built) else [built]
    return {
        name
        for function in functions
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != 'self'
    }
