"""Processes of a distributed run end when their launcher is gone."""

import os
import signal
import sys
import threading
import time

_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_TO_SAVE = 40.0


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
