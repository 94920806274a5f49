"""Signals that ask a training to save and end, and the end of its launcher."""

import os
import signal
import sys
import threading
import time
from types import FrameType

# EX_TEMPFAIL: not done, start the same command again with --resume. For `scontrol requeue` and the like.
EXIT_TO_BE_CONTINUED = 75
EXIT_CTRL_C = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_TO_SAVE = 40.0


class Interruption:
    """Takes note of SIGTERM, SIGUSR1 and Ctrl-C, so that the iteration can be finished and saved.

    A second Ctrl-C ends the process at once.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, object] = {}

    def watch(self) -> None:
        """Start; signals reach the main thread only."""
        if threading.current_thread() is threading.main_thread() and not self._before:
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}

    def release(self) -> None:
        """Give signals back to their earlier handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT == self.signal:
            os.write(2, b'\ninterrupted; --resume goes on from the last checkpoint\n')
            os._exit(EXIT_CTRL_C)
        self.signal = number
        # Not `print`, which the signal may have interrupted.
        os.write(2, f'\n{name_of(number)}: the iteration is finished and saved first\n'.encode())


class ToBeContinued(SystemExit):
    """Ends a training that was asked to stop and has saved a checkpoint for `--resume`."""

    def __init__(self, number: int) -> None:
        super().__init__(EXIT_CTRL_C if number == signal.SIGINT else EXIT_TO_BE_CONTINUED)


def name_of(number: int) -> str:
    return 'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name


def leave_signals_to_the_main_process() -> None:
    """For data loading workers: a signal to the whole process group must not end them while the last iteration needs samples.

    They end when their main process ends, or asks them to (SIGTERM).
    """
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # which tells who sent a signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_if_the_main_process_asks, daemon=True).start()


def _end_if_the_main_process_asks() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def end_with_launcher(
    seconds_between_looks: float = _SECONDS_BETWEEN_LOOKS, seconds_to_save: float = _SECONDS_TO_SAVE
) -> None:
    """From now on, if the process that started this one ends (`kill -9`), this one saves and ends, as on SIGTERM.

    If it hangs, in an exchange with a process that is gone, say, it ends after `seconds_to_save` without saving.
    """
    threading.Thread(
        target=_watch, args=(os.getppid(), seconds_between_looks, seconds_to_save), name='orphan watch', daemon=True
    ).start()


def _watch(launcher: int, seconds_between_looks: float, seconds_to_save: float) -> None:
    while os.getppid() == launcher:
        time.sleep(seconds_between_looks)
    print(
        f'the launcher (process {launcher}) is gone: process {os.getpid()} saves and ends', file=sys.stderr, flush=True
    )
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds_to_save)
    os._exit(1)
