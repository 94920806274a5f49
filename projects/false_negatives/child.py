"""A training in a process of its own, which ends when the study ends, however that ends."""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from run_config import ROOT

TRAINER = (sys.executable, str(ROOT / 'tools/train.py'))
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # nothing is loaded between fork and exec


@dataclass(frozen=True)
class Ended:
    code: int
    cpu_seconds: float
    wall_seconds: float


class Child:
    """Begins at once.

    Args:
        folder: gets `config.py`, `log.txt`, and the work dir `train/` of the training. What was there goes.
    """

    def __init__(self, folder: Path, config: str, trainer: Sequence[str] = TRAINER) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / 'config.py').write_text(config)
        self._begin = time.monotonic()
        with log_of(folder).open('wb') as log:
            # In a session of its own, so that Ctrl-C reaches the study alone.
            self._process = subprocess.Popen(
                [*trainer, str(folder / 'config.py'), '--work-dir', str(training_of(folder))],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=_environment(),
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == 'linux' else None,
            )

    def poll(self) -> Ended | None:
        """How it ended; None while it runs."""
        pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if pid == 0:
            return None
        self._process.returncode = os.waitstatus_to_exitcode(status)  # Popen need not wait any more
        return Ended(self._process.returncode, _cpu_seconds(usage), time.monotonic() - self._begin)

    def kill(self) -> None:
        """With its data loading workers."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def training_of(folder: Path) -> Path:
    return folder / 'train'


def log_of(folder: Path) -> Path:
    return folder / 'log.txt'


def _environment() -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join(paths))


def _cpu_seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _end_with_parent() -> None:
    """Also if that is killed by `kill -9`."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
