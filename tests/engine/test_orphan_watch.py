"""A process whose launcher is killed saves and ends, or just ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / 'sacl_mm/engine/interruption.py'
WORKER = """
import importlib.util, signal, sys, time
spec = importlib.util.spec_from_file_location('interruption', sys.argv[1])
watch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(watch)
def saved(*_):
    open(sys.argv[2], 'w').write('saved')
    sys.exit(75)
signal.signal(signal.SIGTERM, saved if sys.argv[3] == 'saves' else signal.SIG_IGN)
watch.end_with_launcher(0.05, 1.0)
print('ready', flush=True)
time.sleep(60)
"""
LAUNCHER = 'import subprocess, sys; subprocess.run([sys.executable, "-c", sys.argv[1], *sys.argv[2:]])'


@pytest.mark.parametrize('what', ['saves', 'hangs'])
def test_launcher_killed_with_sigkill(what, tmp_path):
    file = tmp_path / 'saved'
    command = [sys.executable, '-c', LAUNCHER, WORKER, str(MODULE), str(file), what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as launcher:
        assert launcher.stdout.readline() == 'ready\n'
        os.kill(launcher.pid, signal.SIGKILL)
        start = time.monotonic()
        launcher.stdout.read()  # ends when the worker, which writes there, too, has ended
    assert time.monotonic() - start < 10
    assert file.exists() == (what == 'saves')
