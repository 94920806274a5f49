import os

# One thread a process: the tests' matrices are small, and several test processes may share the machine.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import sacl_mm  # noqa: F401  (before anything imports torchvision, so that each test file runs alone)
