"""Memory of a process on CPUs: what a step frees is what the next one needs."""

import ctypes
import os
import sys

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed for what is allocated next; False where it isn't glibc, or where the environment
    (`MALLOC_...`) says how it should do.

    By default large blocks go back to the kernel when they are freed, which clears them page by page when they are asked for
    again, at every step of a training; that is slow on virtual machines above all. The process now stays at its peak.
    """
    if sys.platform != 'linux' or any(name.startswith('MALLOC_') for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    return all([mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, -1)])
