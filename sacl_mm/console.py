"""The console commands, which setup.py lists: each is a tool of tools/, from any folder and without a checkout."""

from importlib.machinery import SourceFileLoader
from types import ModuleType

from sacl_mm.command_line import shipped


def train() -> None:
    """`sacl-train`: tools/train.py."""
    _run('train')


def test() -> None:
    """`sacl-test`: tools/test.py."""
    _run('test')


def describe() -> None:
    """`sacl-describe`: tools/describe_data.py."""
    _run('describe_data')


def report() -> None:
    """`sacl-report`: tools/report.py."""
    _run('report')


def embed() -> None:
    """`sacl-embed`: tools/embed.py."""
    _run('embed')


def search() -> None:
    """`sacl-search`: tools/search.py."""
    _run('search')


def explore() -> None:
    """`sacl-explore`: tools/explore.py."""
    _run('explore')


def _run(name: str) -> None:
    """Not by runpy, which would show the file's name in place of the command's in `--help`."""
    loader = SourceFileLoader(f'sacl_mm_tool_{name}', str(shipped('tools') / f'{name}.py'))
    tool = ModuleType(loader.name)
    loader.exec_module(tool)
    tool.main()
