"""Memory of a process on CPUs: what a step frees is what the next one needs."""

import ctypes
import os
import sys

from mmengine.hooks import Hook

from sacl_mm.registry import HOOKS

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4


def map_blocks_apart() -> bool:
    """Let the C library map each block of a MiB or more by itself: right for what lives as long as the process (weights, the
    optimizer's state), among which what comes and goes would leave gaps. False as in `keep_freed_memory`."""
    return _mallopt({_M_MMAP_THRESHOLD: 2**20})


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed for what is allocated next; False where it isn't glibc, or where the environment
    (`MALLOC_...`) says how it should do.

    By default large blocks go back to the kernel when they are freed, which clears them page by page when they are asked for
    again, at every step of a training; that is slow on virtual machines above all. The process now stays at its peak.
    """
    return _mallopt({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1})


@HOOKS.register_module()
class FreedMemoryHook(Hook):
    """Keeps freed memory from the second iteration on, when the optimizer has its state, or while testing.

    `build_runner` adds it on CPUs, after `map_blocks_apart`.
    """

    def __init__(self) -> None:
        self.is_kept = False

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self._keep()

    def before_test(self, runner) -> None:
        self._keep()

    def _keep(self) -> None:
        if not self.is_kept:
            keep_freed_memory()
            self.is_kept = True


def _mallopt(options: dict[int, int]) -> bool:
    if sys.platform != 'linux' or any(name.startswith('MALLOC_') for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and 0 not in {mallopt(name, value) for name, value in options.items()}
