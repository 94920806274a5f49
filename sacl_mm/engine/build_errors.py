"""Says in one line what a configuration got wrong about a registered type."""

import difflib
import inspect
import re
import traceback
from collections.abc import Callable, Iterable
from types import FrameType

from mmengine.registry import Registry

_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r'missing \d+ required .*arguments?: (.*)$')


def build_mistake(error: Exception) -> str | None:
    """What is wrong with the configuration, if that is why a registered type could not be built; None for any other error.

    Registries look a configuration's `type` up and pass its other keys on as arguments. A name that is not registered, an
    argument that the type does not have, one that it lacks, or a value that our code refuses while a type is built are the
    user's mistakes, unlike a KeyError, TypeError or ValueError from somewhere else.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    # mmengine's function for it; the innermost, because models build their parts.
    building = [frame for frame in frames if frame.f_code.co_name == 'build_from_cfg']
    if not building:
        return None
    is_its_own = building[-1] is frames[-1]
    if isinstance(error, KeyError):
        name, registry = (building[-1].f_locals.get(variable) for variable in ('obj_type', 'registry'))
        is_unknown = is_its_own and isinstance(name, str) and isinstance(registry, Registry)
        return unknown_type(name, registry) if is_unknown else None
    if isinstance(error, ValueError):
        ours = str(frames[-1].f_globals.get('__name__')).startswith('sacl_mm.')
        built = building[-1].f_locals.get('obj_cls')
        return f"the configuration's type '{getattr(built, '__name__', built)}': {error}" if ours and built else None
    return _wrong_argument(building[-1], str(error), is_its_own)


def unknown_type(name: str, registry: Registry) -> str:
    """What to say of a type that is not registered."""
    known = set(registry.module_dict) | set(getattr(registry.parent, 'module_dict', {}))
    return f"the configuration's type '{name}' is not in the registry of {registry.name}s{_hint(name, known)}"


def _wrong_argument(frame: FrameType, message: str, is_its_own: bool) -> str | None:
    built, arguments = frame.f_locals.get('obj_cls'), frame.f_locals.get('args')
    if built is None or arguments is None:
        return None
    name = getattr(built, '__name__', str(built))
    unexpected, missing = _UNEXPECTED.search(message), _MISSING.search(message)
    if unexpected and unexpected[1] in arguments:  # which a base class may have refused
        hint = _hint(unexpected[1], _parameters(built))
        return f"the configuration gives type '{name}' an argument '{unexpected[1]}', which it does not have{hint}"
    if missing and is_its_own:
        return f"the configuration's type '{name}' lacks {missing[1]}"
    return None


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ''


def _parameters(built: Callable) -> set[str]:
    """The names of the arguments of a function or class; of a class also those of its bases."""
    functions = [cls.__init__ for cls in built.__mro__] if inspect.isclass(built) else [built]
    return {
        name
        for function in functions
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != 'self'
    }
