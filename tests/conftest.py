import gc
import os
from collections.abc import Iterator

import mmengine.config.config
import pytest
from mmengine.utils import ManagerMixin

# One thread a process, whatever the caller has set: the tests' matrices are small, several test processes may share the
# machine, and a forked process would wait for ever for the OpenMP threads of its parent.
os.environ['OMP_NUM_THREADS'] = '1'

import sacl_mm  # noqa: F401  (before anything imports torchvision, so that each test file runs alone)

# Folders whose files take longest: what is left for the end, when one worker may have nothing to do, is short.
_FIRST = ('engine', 'fault_tests', 'benchmarks', 'configs', 'projects')


def pytest_configure() -> None:
    """A third of a tiny training would be laying out its configuration in lines, five times."""
    mmengine.config.config.FormatCode = lambda text, **_: (text, True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: number for number, name in enumerate(_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))


def pytest_pycollect_makemodule() -> None:
    """MMEngine's datasets collect garbage when they are built: what was imported need not be looked at every time."""
    gc.freeze()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def new_visualizers_and_loggers() -> Iterator[None]:
    """MMEngine keeps them by a Runner's name, to which the time adds seconds only: the next Runner would find this one's."""
    yield
    kept = [ManagerMixin]
    while kept:
        kind = kept.pop()
        kind._instance_dict.clear()
        kept += kind.__subclasses__()


@pytest.fixture(autouse=True)
def same_environment_for_all() -> Iterator[None]:
    """A tool that runs inside a test process may set environment variables; the next test must not see them."""
    before = dict(os.environ)
    yield
    # PYTEST_CURRENT_TEST changes while a test ends, and pytest removes it itself.
    for name in [name for name in os.environ if name not in before and name != 'PYTEST_CURRENT_TEST']:
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if name != 'PYTEST_CURRENT_TEST'})
