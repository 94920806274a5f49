"""`--help` and what is wrong with a command line answer before PyTorch is imported, which takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment

ROOT = Path(__file__).parents[1]
TOOLS = sorted(path for path in ROOT.glob('tools/*.py')) + sorted(ROOT.glob('tools/model_converters/*.py'))
TAKE_A_CONFIG = [path for path in TOOLS if 'CONFIG_HELP' in path.read_text()]
CHECK = (
    'import atexit, runpy, sys\n'
    'atexit.register(lambda: print([x for x in ("torch", "transformers", "matplotlib", "cv2") if x in sys.modules]))\n'
    'sys.argv = sys.argv[1:]\n'
    'runpy.run_path(sys.argv[0], run_name="__main__")'
)


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Of a tool, in an interpreter of its own; the last line is what it has imported of the slow libraries."""
    return subprocess.run(
        [sys.executable, '-c', CHECK, path, *arguments], env=environment(), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize('path', TOOLS, ids=lambda path: path.name)
def test_help_and_wrong_options_import_nothing_slow(path):
    helped = run(path, '--help')
    assert helped.returncode == 0
    assert helped.stdout.startswith('usage: ')
    assert helped.stdout.splitlines()[-1] == '[]'
    refused = run(path, '--hlep')
    assert refused.returncode == 2
    assert ': error: ' in refused.stderr.splitlines()[-1]
    assert refused.stdout == '[]\n'


def test_missing_work_dirs_are_told_at_once():
    for path, argument in (('report.py', 'none'), ('compare_runs.py', 'A=none'), ('compare_runs.py', 'none')):
        refused = run(ROOT / 'tools' / path, argument)
        assert refused.stderr.startswith('error: ')
        assert refused.stdout == '[]\n'


def test_a_missing_configuration_is_told_at_once():
    assert {'train.py', 'test.py', 'describe_data.py'} <= {path.name for path in TAKE_A_CONFIG}
    for path in TAKE_A_CONFIG:
        refused = run(path, 'shape_world/ifnonce.py', 'x')
        assert refused.returncode, path
        assert refused.stdout == '[]\n', path
