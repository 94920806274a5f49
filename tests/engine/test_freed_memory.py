"""Freed memory is kept by the process."""

import os
import platform
import subprocess
import sys

import pytest

from sacl_mm.engine.freed_memory import keep_freed_memory

PROGRAM = """
import resource, sys
import torch
from sacl_mm.engine.freed_memory import keep_freed_memory

if sys.argv[1] == 'keep':
    assert keep_freed_memory()
def faults_of(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults_of(10)
print(faults_of(10))
"""


pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another C library')


def test_large_tensors_get_the_pages_of_those_before():
    plain = {name: value for name, value in os.environ.items() if not name.startswith('MALLOC_')}
    faults = {
        what: int(
            subprocess.run([sys.executable, '-c', PROGRAM, what], check=True, capture_output=True, env=plain).stdout
        )
        for what in ('keep', 'give back')
    }
    assert faults['keep'] < faults['give back'] / 4, faults


def test_the_environment_has_the_last_word(monkeypatch):
    monkeypatch.setenv('MALLOC_MMAP_THRESHOLD_', '65536')
    assert not keep_freed_memory()
