"""The experiment of tools/fault_tests/kill_and_resume.py, small; the whole one is in docs/reliability.md."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_training_that_is_killed_twice_ends_as_one_that_is_not(tmp_path):
    command = [sys.executable, 'tools/fault_tests/kill_and_resume.py', str(tmp_path), '--kills', '2', '--workers', '2']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '2 kills' in done.stdout
    assert ': 0 tensors and values differ' in done.stdout
