"""What is wrong with the arguments of a tool, or with its files, is one line, known before the work is done."""

import pytest
from command_line import in_process

CONFIG = 'configs/shape_world/infonce.py'


def run(monkeypatch, capsys, name, *arguments):
    """What a tool that refuses its arguments says."""
    with pytest.raises(SystemExit) as caught:
        in_process(monkeypatch, name, *arguments)
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
    'an empty folder': ('A={}/empty', None, 'no training or test has logged anything there'),
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
    'a folder to write to': (['configs/shape_world/vqa.py', '{}/folder.json'], 'is a folder'),
    'below a file': (['configs/shape_world/vqa.py', '{}/file/a.json'], 'is a file, not a folder'),
    'another format': (['configs/shape_world/vqa.py', '{}/a.txt'], 'must end in .json'),
    '--at-least 0': (['configs/shape_world/vqa.py', '{}/a.json', '--at-least', '0'], 'must be at least 1, got 0'),
    '--at-least x': (['configs/shape_world/vqa.py', '{}/a.json', '--at-least', 'x'], "invalid int value: 'x'"),
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
