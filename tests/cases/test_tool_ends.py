"""How a tool ends: with one line for what the user can mend, with its traceback for a bug."""

import errno
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from sacl_mm.engine.launch import run_tool
from sacl_mm.user_error import AnnotationError, BrokenSampleError, UserError


class Refusing(list):
    def __getitem__(self, index):
        raise super().__getitem__(index)


def in_worker(error):
    """The error as a data loader's worker passes it on, with its traceback."""
    batches = iter(DataLoader(Refusing([error]), num_workers=1))
    try:
        next(batches)
    finally:
        batches._shutdown_workers()  # left to the garbage collector it takes five seconds


def raises(error):
    raise error


STOPS = {
    "a user's mistake": (lambda: raises(UserError('x.py: no model')), 'error: x.py: no model'),
    "a user's mistake in a worker": (
        lambda: in_worker(AnnotationError('a.json: no images')),
        'error: a.json: no images',
    ),
    'a broken sample in a worker': (lambda: in_worker(BrokenSampleError('a.jpg: empty')), 'error: a.jpg: empty'),
    'no such file': (Path('/none/x').read_text, "error: '/none/x': No such file or directory"),
    'no such file, in a worker': (
        lambda: in_worker(FileNotFoundError(2, 'No such file', 'x')),
        "error: FileNotFoundError: [Errno 2] No such file: 'x'",
    ),
    'no such file, in words': (lambda: raises(FileNotFoundError('no checkpoint in x')), 'error: no checkpoint in x'),
    'a folder for a file': (Path('/').read_text, "error: '/': Is a directory"),
    'a file for a folder': (lambda: os.listdir('/dev/null'), "error: '/dev/null': Not a directory"),
    'no permission': (
        lambda: raises(PermissionError(errno.EACCES, 'Permission denied', 'x')),
        "error: 'x': Permission denied",
    ),
    'a full disk': (
        lambda: raises(OSError(errno.ENOSPC, 'No space left', 'x')),
        "error: 'x': No space left: free some space",
    ),
    'a full disk that does not say which file': (
        lambda: Path('/dev/full').write_text('x' * 10**6),
        'error: No space left on device: free',
    ),
    'a quota': (
        lambda: raises(OSError(errno.EDQUOT, 'Quota exceeded', 'x')),
        "error: 'x': Quota exceeded: free some space",
    ),
    'read-only': (
        lambda: raises(OSError(errno.EROFS, 'Read-only file system', 'x')),
        "error: 'x': Read-only file system",
    ),
    'a name with an escape sequence': (Path('/none/\x1b[2J').read_text, "error: '/none/\\x1b[2J': No such file"),
    'a rename': (lambda: os.rename('/none/x', '/none/y'), "error: '/none/x' -> '/none/y': No such file"),
    'too many open files': (
        lambda: raises(OSError(errno.EMFILE, 'Too many open files', 'x')),
        'raise the limit with `ulimit -n`',
    ),
}


@pytest.mark.parametrize(('main', 'message'), STOPS.values(), ids=STOPS)
def test_what_ends_a_tool_with_one_line(main, message):
    with pytest.raises(SystemExit) as caught:
        run_tool(main)
    assert message in caught.value.code
    assert '\n' not in caught.value.code


@pytest.mark.parametrize(
    'error',
    [
        KeyError('x'),
        TypeError('x'),
        ValueError('x'),
        AssertionError(),
        RuntimeError('x'),
        ZeroDivisionError(),
        AttributeError('x'),
        OSError('x'),
        OSError(errno.EINVAL, 'Invalid argument'),
        OSError(errno.EBADF, 'Bad file descriptor'),
        BrokenPipeError(errno.EPIPE, 'Broken pipe'),  # of a worker: standard output is whole
        ModuleNotFoundError('x'),
    ],
    ids=repr,
)
def test_a_bug_keeps_its_traceback(error, capfd):
    with pytest.raises(type(error)):
        run_tool(lambda: raises(error))


def print_much(out: int, err: int, others: tuple[int, int]) -> None:
    """What a tool with standard output and error at these pipes does; the others' ends must not stay open here."""
    for end in others:
        os.close(end)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, 'w') for number in (1, 2))
    run_tool(lambda: [print(i) for i in range(10**5)])


def test_a_reader_that_is_gone_is_no_error():
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    process = multiprocessing.get_context('fork').Process(target=print_much, args=(out_end, err_end, (out, err)))
    process.start()
    for end in (out_end, err_end):
        os.close(end)
    with open(out) as reader:
        assert reader.readline() == '0\n'
    with open(err) as errors:
        assert errors.read() == ''
    process.join()
    assert process.exitcode == 1


def test_ctrl_c_is_one_line(capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, before)
    assert caught.value.code == 130
    assert capsys.readouterr().err == 'interrupted; a training goes on from its last checkpoint with --resume\n'
