"""The experiment of tools/fault_tests/kill_and_resume.py, small; the whole one is in docs/reliability.md."""

from command_line import tool


def test_a_training_that_is_killed_twice_ends_as_one_that_is_not(tmp_path):
    done = tool('fault_tests/kill_and_resume.py', tmp_path, '--kills', '2', '--workers', '2')
    assert '2 kills' in done.stdout
    assert ': 0 tensors and values differ' in done.stdout
