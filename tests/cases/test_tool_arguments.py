"""What is wrong with the arguments of a tool, or with its files, is one line, known before the work is done."""

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

from sacl_mm.broken_sample import BrokenSampleError
from sacl_mm.engine.checks.files import PredictionFile, check_json_file, write_json
from sacl_mm.engine.launch import run_tool
from sacl_mm.user_error import AnnotationError, UserError

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/sacl/shape_world_infonce.py'


def run(monkeypatch, capsys, name, *arguments):
    """What a tool that refuses its arguments says, in this process."""
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # for its dataclasses
    spec.loader.exec_module(module)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('sys.argv', [f'{name}.py', *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        run_tool(module.main)
    assert caught.value.code
    said = caught.value.code if isinstance(caught.value.code, str) else capsys.readouterr().err.splitlines()[-1]
    assert '\n' not in said
    assert 'error: ' in said
    return said


@pytest.fixture
def files(tmp_path):
    (tmp_path / 'file').write_text('x')
    (tmp_path / 'folder.json').mkdir()
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'none.pth').write_bytes(b'x')
    return tmp_path


TEST = {
    '--out m.txt --out-item metrics': (
        ['--out', '{}/m.txt', '--out-item', 'metrics'],
        "--out '{}/m.txt' must end in .json",
    ),
    '--out p.pkl': (['--out', '{}/p.pkl'], 'must end in .json'),
    '--out without suffix': (['--out', '{}/p'], 'must end in .json'),
    '--out is a folder': (['--out', '{}/folder.json'], "--out '{}/folder.json' is a folder"),
    '--out below a file': (['--out', '{}/file/p.json'], "'{}/file' is a file, not a folder"),
    '--out where nothing can be written': (['--out', '/proc/x/p.json'], 'cannot be written to'),
    '--out-item without --out': (['--out-item', 'pred'], '--out-item needs --out FILE'),
    '--out-item of something else': (['--out', '{}/p.json', '--out-item', 'all'], "invalid choice: 'all'"),
    '--cfg-options model': (['--cfg-options', 'model'], "'model' is not key=value"),
}


@pytest.mark.parametrize(('arguments', 'message'), TEST.values(), ids=TEST)
def test_testing_with_wrong_arguments(arguments, message, files, monkeypatch, capsys):
    arguments = [argument.format(files) for argument in arguments]
    assert message.format(files) in run(monkeypatch, capsys, 'test', CONFIG, files / 'none.pth', *arguments)


def test_testing_with_wrong_files(files, monkeypatch, capsys):
    def said(*arguments):
        return run(monkeypatch, capsys, 'test', *arguments)

    assert 'the order is CONFIG CHECKPOINT' in said(files / 'none.pth', CONFIG)
    assert 'the order is CONFIG CHECKPOINT' in said(CONFIG, CONFIG)
    assert 'does not exist' in said(CONFIG, files / 'no.pth')
    assert 'cannot be read as data' in said(CONFIG, files / 'none.pth')
    assert 'must end in .py' in said(files / 'file', files / 'none.pth')
    assert 'has no test_dataloader' in said('configs/sacl/nlvr2_pretrain.py', files / 'none.pth')


def scalars(folder, *lines):
    path = folder / '20260101' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_bytes('\n'.join(lines).encode('latin-1'))


RUNS = {
    'no such folder': ('A={}/none', None, "work dir '{}/none' does not exist"),
    'a file': ('A={}/file', None, "work dir '{}/file' is no folder"),
    'an empty folder': ('A={}/empty', None, 'no training has logged anything there'),
    'no name': ('{}/run', None, 'is not NAME=DIR'),
    'an empty name': ('={}/run', None, 'is not NAME=DIR'),
    'an empty folder name': ('A={}/run,', None, 'is not NAME=DIR'),
    'no JSON': ('A={}/run', ['x', '{}'], 'scalars.json, line 1 is not JSON'),
    'a list': ('A={}/run', ['[1]'], 'scalars.json, line 1 holds no measurement'),
    'no step': ('A={}/run', ['{"vqa/accuracy": 1}'], 'holds no measurement with its iter or step'),
    'words for a number': ('A={}/run', ['{"vqa/accuracy": "high", "step": 1}'], "vqa/accuracy is 'high', no number"),
    'not UTF-8': ('A={}/run', ['\xff'], 'scalars.json is not UTF-8 text'),
    'nested without end': ('A={}/run', ['[' * 100_000, '{}'], 'line 1 is not JSON'),
}


@pytest.mark.parametrize(('argument', 'lines', 'message'), RUNS.values(), ids=RUNS)
def test_comparing_runs_that_are_none(argument, lines, message, files, monkeypatch, capsys):
    if lines is not None:
        scalars(files / 'run', *lines)
    assert message.format(files) in run(monkeypatch, capsys, 'compare_runs', argument.replace('{}', str(files)))


def test_comparing_runs_by_wrong_names(files, monkeypatch, capsys):
    scalars(files / 'run', '{"vqa/accuracy": 1, "step": 1}')
    given = f'A={files}/run'
    assert "'A' is given twice" in run(monkeypatch, capsys, 'compare_runs', given, given)
    assert 'not all runs have mAP; all have vqa/accuracy' in run(
        monkeypatch, capsys, 'compare_runs', given, '--metrics', 'mAP'
    )


@pytest.mark.parametrize('content', ['[1]', '3', '{"vqa/acc', '\xff'])
def test_a_test_result_that_is_damaged(content, files, monkeypatch, capsys):
    path = files / 'run' / '20260101' / '20260101.json'
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode('latin-1'))
    assert '20260101.json' in run(monkeypatch, capsys, 'compare_runs', f'A={files}/run')


ANSWERS = {
    'no configuration': (['none.py', '{}/a.json'], "configuration 'none.py' does not exist"),
    'a folder for a configuration': (['{}/empty', '{}/a.json'], 'is a folder'),
    'no training set': (['configs/sacl/zeroshot_flickr30k.py', '{}/a.json'], 'has no train_dataloader with a dataset'),
    'a data set without answers': (['{}/captions.py', '{}/a.json'], 'ShapeWorld holds no answers'),
    'a folder to write to': (['configs/sacl/shape_world_vqa.py', '{}/folder.json'], 'is a folder'),
    'below a file': (['configs/sacl/shape_world_vqa.py', '{}/file/a.json'], 'is a file, not a folder'),
    'another format': (['configs/sacl/shape_world_vqa.py', '{}/a.txt'], 'must end in .json'),
    '--at-least 0': (['configs/sacl/shape_world_vqa.py', '{}/a.json', '--at-least', '0'], 'must be at least 1, got 0'),
    '--at-least x': (['configs/sacl/shape_world_vqa.py', '{}/a.json', '--at-least', 'x'], "invalid int value: 'x'"),
}


@pytest.mark.parametrize(('arguments', 'message'), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_list_of_nothing(arguments, message, files, monkeypatch, capsys):
    (files / 'captions.py').write_text(
        "train_dataloader = dict(dataset=dict(type='ShapeWorld', num_images=2, image_size=32))"
    )
    arguments = [argument.format(files) for argument in arguments]
    assert message in run(monkeypatch, capsys, 'make_answer_list', *arguments)
    assert not (files / 'a.json').exists()


DEMO = {
    'a file for a work dir': (['--work-dir', '{}/file'], 'is a file, not a folder'),
    'a work dir that cannot be made': (['--work-dir', '/proc/x'], 'cannot be written to'),
    '--epochs 0': (['--epochs', '0'], '--epochs must be at least 1'),
    '--seed -1': (['--seed', '-1'], '--seed must not be negative'),
    '--seed x': (['--seed', 'x'], 'invalid int value'),
    'notes that are damaged': (['--report-only', '--work-dir', '{}/empty'], 'trainings.json is damaged'),
}


@pytest.mark.parametrize(('arguments', 'message'), DEMO.values(), ids=DEMO)
def test_a_demo_that_cannot_be(arguments, message, files, monkeypatch, capsys):
    (files / 'empty' / 'trainings.json').write_text('{"sacl": ')
    assert message in run(monkeypatch, capsys, 'demo', *(argument.format(files) for argument in arguments))


class Refusing(list):
    def __getitem__(self, index):
        raise super().__getitem__(index)


def in_worker(error):
    """The error as a data loader's worker passes it on, with its traceback."""
    next(iter(DataLoader(Refusing([error]), num_workers=1)))


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


def test_ctrl_c_has_its_exit_code_and_one_line(capsys):
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: raises(KeyboardInterrupt()))
    assert caught.value.code == 130
    assert capsys.readouterr().err == 'interrupted; a training goes on from its last checkpoint with --resume\n'


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


def test_a_reader_that_is_gone_is_no_error():
    code = 'from sacl_mm.engine.launch import run_tool\nrun_tool(lambda: [print(i) for i in range(10**5)])'
    with subprocess.Popen(
        [sys.executable, '-c', code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == '0\n'
        process.stdout.close()
        assert process.stderr.read() == ''
    assert process.returncode == 1


def test_ctrl_c_is_one_line():
    code = 'import time\nfrom sacl_mm.engine.launch import run_tool\nrun_tool(lambda: (print(1, flush=True), time.sleep(60)))'
    with subprocess.Popen(
        [sys.executable, '-c', code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == '1\n'
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert said.count('\n') == 1
    assert said.startswith('interrupted')


def test_predictions_as_json(tmp_path):
    path = tmp_path / 'new' / 'p.json'
    metric = PredictionFile(str(path))
    sample = BaseDataElement(metainfo=dict(img_path='a.jpg'), feats=torch.tensor([1.0, float('nan')]))
    metric.process(
        None, [sample.to_dict(), dict(rank=np.int64(3), text='größe \udcff', shape=(2, 3), type=Path('x'), none=None)]
    )
    metric.process(None, [dict(score=np.float32(0.5), right=np.bool_(True), half=torch.ones(1, dtype=torch.bfloat16))])
    assert metric.evaluate(3) == {}
    first, second, third = json.loads(path.read_text())
    assert (first['img_path'], first['feats']) == ('a.jpg', [1.0, None])
    assert second == dict(rank=3, text='größe ?', shape=[2, 3], type='x', none=None)
    assert third == dict(score=0.5, right=True, half=[1.0])
    assert [file.name for file in path.parent.iterdir()] == ['p.json']


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'a.json'
    check_json_file(str(path), 'it')
    assert list(tmp_path.iterdir()) == []
    path.write_text('before')

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('json.dump', full)
        with pytest.raises(UserError, match=r"a.json' cannot be written: No space left on device"):
            write_json(str(path), {})
    assert path.read_text() == 'before'
    write_json(str(path), dict(a=float('inf')))
    assert json.loads(path.read_text()) == dict(a=None)
    assert [file.name for file in tmp_path.iterdir()] == ['a.json']
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
