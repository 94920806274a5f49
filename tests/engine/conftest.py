"""Trainings that many tests begin with: each is done once, and copied."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_training import at, everything, signalled, train

from sacl_mm.engine.interruption import ToBeContinued


def _copied(folder: Path, tmp_path: Path) -> Callable[[str], Path]:
    return lambda name='': Path(shutil.copytree(folder, tmp_path / name, dirs_exist_ok=True))


@pytest.fixture(scope='session')
def _finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('finished')
    train(folder)
    return folder


@pytest.fixture(scope='session')
def _one_epoch(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('one_epoch')
    train(folder, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1))
    return folder


@pytest.fixture(scope='session')
def _interrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('interrupted')
    with pytest.raises(ToBeContinued):
        train(folder, at(8, signalled(signal.SIGTERM)))
    return folder


@pytest.fixture(scope='session')
def whole(_finished) -> dict:
    """What a training ends with that nobody interrupts."""
    return everything(_finished / 'epoch_2.pth')


@pytest.fixture
def finished(_finished, tmp_path) -> Callable[[str], Path]:
    """Makes a work directory of a training that is done, in `tmp_path` or below it."""
    return _copied(_finished, tmp_path)


@pytest.fixture
def one_epoch(_one_epoch, tmp_path) -> Callable[[str], Path]:
    """The same of a training that had one epoch."""
    return _copied(_one_epoch, tmp_path)


@pytest.fixture
def interrupted(_interrupted, tmp_path) -> Callable[[str], Path]:
    """The same of one that was asked to stop after 8 iterations of 12."""
    return _copied(_interrupted, tmp_path)
