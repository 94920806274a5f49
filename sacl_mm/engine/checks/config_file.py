"""Reads a configuration file; whatever is wrong with it, or with a file that it inherits from, is one line."""

import ast
import os
import re
import traceback

import mmengine
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from sacl_mm.user_error import UserError

_SUFFIXES = ('.py', '.json', '.yaml', '.yml')
# As in MMEngine: {{$NAME:default}} and {{_base_.key}}.
_VARIABLE = re.compile(r'\{\{[\'\"]?\s*\$(\w+)\s*\:\s*(\S*?)\s*[\'\"]?\}\}')
_BASE_VALUE = re.compile(r'\{\{\s*_base_\.([\w.]+)\s*\}\}')


def config_from_file(path: str) -> Config:
    """MMEngine's `Config.fromfile` with its `custom_imports`.

    Raises:
        UserError: names the file, and the line where there is one: it is missing, no text, no configuration, inherits from
            such a file or from itself, needs an environment variable that is not set or empty, raises when it is run,
            imports what is not there, or is empty.
    """
    files: dict[str, str] = {}
    _check_chain(path, (), files)
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)
    except (Exception, SystemExit) as error:  # it is code: anything can be raised
        raise UserError(_reason(error, path, files)) from error
    if len(cfg) == 0:
        raise UserError(f"configuration '{path}' is empty")
    _import_modules(cfg, path)
    return cfg


def _check_chain(path: str, inheriting: tuple[str, ...], files: dict[str, str]) -> None:
    """Look into a file and those that it inherits from, and collect their texts by absolute path."""
    name, full = f"configuration '{path}'", os.path.abspath(path)
    by = f' (the _base_ of {os.path.relpath(inheriting[-1])})' if inheriting else ''
    if full in inheriting:
        circle = ' -> '.join(map(os.path.relpath, (*inheriting[inheriting.index(full) :], full)))
        raise UserError(f'{name} inherits from itself: {circle}')
    if not os.path.exists(full):
        raise UserError(f'{name} does not exist{by}')
    if not os.path.isfile(full):
        raise UserError(f'{name}{by} is a folder or device, not a file')
    if not full.endswith(_SUFFIXES):
        raise UserError(f'{name}{by} is none: its name must end in {", ".join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}')
    try:
        with open(full, encoding='utf-8') as file:
            text = files[full] = file.read()
    except UnicodeDecodeError as error:
        raise UserError(f'{name} is not UTF-8 text (byte {error.start:,} is not)') from error
    except OSError as error:
        raise UserError(f'{name} cannot be read: {error.strerror}') from error
    for base in _bases(full, name, text):
        if not isinstance(base, str):
            raise UserError(f'{name}: _base_ must be a file name or a list of them, got {base!r}')
        if '::' not in base and '{{' not in base:  # those are left to MMEngine
            _check_chain(os.path.relpath(os.path.join(os.path.dirname(full), base)), (*inheriting, full), files)
    for variable, default in _VARIABLE.findall(text):
        value = os.environ.get(variable, default)
        if not value and variable in os.environ:
            raise UserError(f'{name}: the environment variable {variable} is empty: give it a value, or unset it')
        if not value:
            raise UserError(f'{name} needs the environment variable {variable}: set it')


def _bases(full: str, name: str, text: str) -> list:
    """What `_base_` names; [] in MMEngine's other style of configuration, which imports."""
    if not full.endswith('.py'):
        try:
            content = mmengine.load(full)
        except Exception as error:  # each format has its own
            raise UserError(f'{name} cannot be parsed: {_one_line(error)}') from error
        if not isinstance(content, dict):
            raise UserError(f'{name} must hold a dict of settings, got a {type(content).__name__}')
        bases = content.get('_base_', [])
        return bases if isinstance(bases, list) else [bases]
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UserError(f'{name}, line {error.lineno}: {error.msg}') from error
    except (ValueError, RecursionError, MemoryError) as error:  # zero bytes; nested too deeply
        raise UserError(f'{name} cannot be parsed: {_one_line(error)}') from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == '_base_':
            try:
                bases = ast.literal_eval(node.value)
            except ValueError as error:
                message = f'{name}, line {node.lineno}: _base_ must be a file name or a list of them, nothing computed'
                raise UserError(message) from error
            return bases if isinstance(bases, list) else [bases]
    return []


def _reason(error: BaseException, path: str, files: dict[str, str]) -> str:
    lines = [entry for entry in traceback.extract_tb(error.__traceback__) if entry.filename in files]
    if lines:
        where = f"configuration '{os.path.relpath(lines[-1].filename)}', line {lines[-1].lineno}"
        return f'{where}: {type(error).__name__}: {_one_line(error)}'
    if isinstance(error, SyntaxError):
        return f"configuration '{path}': {error.msg}, once environment variables and _base_ are filled in"
    for file, text in files.items():
        for value in _BASE_VALUE.findall(text):
            if isinstance(error, KeyError) and error.args and error.args[0] in value.split('.'):
                return f"configuration '{os.path.relpath(file)}': its _base_ has no '{value}'"
    return f"configuration '{path}': {type(error).__name__}: {_one_line(error)}"


def _import_modules(cfg: Config, path: str) -> None:
    imports = cfg.get('custom_imports')
    if imports is None:
        return
    if not isinstance(imports, dict) or set(imports) - {'imports', 'allow_failed_imports'} or 'imports' not in imports:
        raise UserError(f"configuration '{path}': custom_imports must be dict(imports=[...]), got {imports!r}")
    try:
        import_modules_from_strings(**imports)
    except (Exception, SystemExit) as error:  # as above
        cause = error.__cause__ or error.__context__ or error
        places = traceback.extract_tb(cause.__traceback__)
        where = f' ({places[-1].filename}, line {places[-1].lineno})' if not isinstance(cause, ImportError) else ''
        message = f"configuration '{path}', custom_imports: {type(cause).__name__}: {_one_line(cause)}{where}"
        raise UserError(
            f'{message}; is its folder in PYTHONPATH?' if isinstance(cause, ImportError) else message
        ) from error


def _one_line(error: BaseException) -> str:
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return ' '.join(str(text).split())
