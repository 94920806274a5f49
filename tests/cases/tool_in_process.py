"""Tools that run in the process of the tests: importing everything anew would take most of the time."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from sacl_mm.engine.launch import run_tool

ROOT = Path(__file__).parents[2]


def load_tool(name: str) -> ModuleType:
    """`tools/NAME.py` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # for its dataclasses
    spec.loader.exec_module(module)
    return module


def run(monkeypatch, name: str, *arguments: object) -> None:
    """Run a tool, in the folder of the repository, as its command line does."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('sys.argv', [f'{name}.py', *map(str, arguments)])
    run_tool(load_tool(name).main)
