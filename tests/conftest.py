import os
import sys
from pathlib import Path

# One thread a process: the tests' matrices are small, and several test processes may share the machine.
os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).parent / 'models' / 'losses'))
