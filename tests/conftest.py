import gc
import os

import pytest

# One thread a process: the tests' matrices are small, and several test processes may share the machine.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import sacl_mm  # noqa: F401  (before anything imports torchvision, so that each test file runs alone)


def pytest_collection_finish() -> None:
    """MMEngine's datasets collect garbage when they are built: what was imported need not be looked at every time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_environment_for_all():
    """A tool that runs inside a test process may set environment variables; the next test must not see them."""
    before = dict(os.environ)
    yield
    # PYTEST_CURRENT_TEST changes while a test ends, and pytest removes it itself.
    for name in [name for name in os.environ if name not in before and name != 'PYTEST_CURRENT_TEST']:
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if name != 'PYTEST_CURRENT_TEST'})
