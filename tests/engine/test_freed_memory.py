"""Freed memory is kept by the process."""

import os
import platform
import subprocess
import sys

import pytest

from sacl_mm.engine.freed_memory import keep_freed_memory, map_blocks_apart

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
    assert not map_blocks_apart()


GAPS = """
import resource, sys
import torch
from sacl_mm.engine.freed_memory import FreedMemoryHook, keep_freed_memory, map_blocks_apart

apart = sys.argv[1] == 'apart'
assert map_blocks_apart() if apart else keep_freed_memory()
hook, state, gradients = FreedMemoryHook(), [], []
for _ in range(20):
    gradients.append(torch.ones(2**21))  # 8 MiB
    state.append(torch.ones(2**21))
del gradients  # leaves gaps
hook.after_train_iter(None, 0)
activations = [torch.ones(3 * 2**20) for _ in range(14)]  # 12 MiB each: none fits into a gap
# Not the peak, which a process inherits from the one that started it.
print(int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize())
"""


def test_what_lives_long_leaves_no_gaps():
    plain = {name: value for name, value in os.environ.items() if not name.startswith('MALLOC_')}
    held = {
        what: int(subprocess.run([sys.executable, '-c', GAPS, what], check=True, capture_output=True, env=plain).stdout)
        for what in ('apart', 'together')
    }
    assert held['together'] - held['apart'] > 80 * 2**20, held
