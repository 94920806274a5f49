"""A mistake in a configuration file or on the command line is one line that names the file or key."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.engine.launch import add_common_arguments, load_config
from sacl_mm.user_error import UserError

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/shape_world/infonce.py')


def load(tmp_path, config=CONFIG, options=(), arguments=(), stage='train'):
    """What `tools/train.py` does first."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument('config')
    add_common_arguments(parser)
    given = [config, *arguments] + (['--cfg-options', *options] if options else [])
    if '--work-dir' not in given:
        given += ['--work-dir', str(tmp_path / 'work')]
    return load_config(parser.parse_args(given), stage)


def said(tmp_path, **given):
    with pytest.raises(UserError) as caught:
        load(tmp_path, **given)
    message = str(caught.value)
    assert '\n' not in message
    return message


FILES = {
    'empty config': ('', 'is empty'),
    'only a comment': ('# nothing\n', 'is empty'),
    'syntax error in a config': ('a = 1\nmodel = dict(\n', 'line 2: '),
    'a bracket too many': ('a = 1\n\nmodel = dict())\n', 'line 3: unmatched'),
    'indented': ('a = 1\n  b = 2\n', 'line 2: unexpected indent'),
    'zero bytes': ('a = 1\0', 'null bytes'),
    'a name that is not defined': ('a = 1\nmodel = dict(x=width)\n', "line 2: NameError: name 'width' is not defined"),
    'a config that raises': ('a = 1\n\nb = 1 / 0\n', 'line 3: ZeroDivisionError'),
    'a config that exits': ('import sys\nsys.exit(3)\n', 'line 2: SystemExit: 3'),
    'a function in it raises': ('def f():\n    return {}["x"]\n\nb = f()\n', 'line 2: KeyError: x'),
    'nested too deeply': ('a = ' + '[' * 400 + ']' * 400, 'too many nested'),
    'a reserved key': ('filename = 3\n', 'filename is reserved'),
    '_base_ is missing': ("_base_ = ['none.py']\na = 1\n", 'does not exist (the _base_ of'),
    '_base_ is a folder': ("_base_ = '.'\n", 'is a folder'),
    '_base_ is a number': ('_base_ = 3\n', '_base_ must be a file name or a list of them, got 3'),
    '_base_ is computed': ("name = 'x.py'\n_base_ = [name]\n", 'line 2: _base_ must be a file name'),
    '_base_ is the file itself': ("_base_ = 'config.py'\n", 'inherits from itself: '),
    '_base_ of a package that is not there': ("_base_ = 'nopackage::x.py'\n", "config.py': "),
    'a value that _base_ lacks': (
        "_base_ = 'base.py'\nb = {{_base_.model.width}}\n",
        "its _base_ has no 'model.width'",
    ),
    'two _base_ with the same key': ("_base_ = ['base.py', 'twin.py']\n", 'Duplicate key'),
    'inherits a dict from a number': ("_base_ = 'base.py'\na = dict(b=1)\n", 'cannot inherit'),
    'custom_imports of nothing': (
        "custom_imports = dict(imports=['no_such_module'])\n",
        "custom_imports: ModuleNotFoundError: No module named 'no_such_module'",
    ),
    'custom_imports is a list': ("custom_imports = ['os']\n", 'custom_imports must be dict(imports=[...])'),
    'custom_imports without imports': (
        'custom_imports = dict(import_=3)\n',
        'custom_imports must be dict(imports=[...])',
    ),
    'custom_imports of a number': ('custom_imports = dict(imports=3)\n', 'custom_imports: TypeError'),
    'an environment variable without default': (
        "a = '{{$NO_SUCH_VARIABLE:}}'\n",
        'needs the environment variable NO_SUCH_VARIABLE',
    ),
    'an empty environment variable': ("a = '{{$EMPTY_VARIABLE:default}}'\n", 'EMPTY_VARIABLE is empty'),
    'a variable with a quote': ("a = '{{$QUOTE_VARIABLE:default}}'\n", 'environment variables'),
    'other imports': (
        'from mmengine.config import read_base\nwith read_base():\n    from .none import *\n',
        "config.py'",
    ),
    'with something else': ("with open('x'):\n    pass\n", "config.py'"),
}


@pytest.mark.parametrize(('text', 'message'), FILES.values(), ids=FILES)
def test_a_broken_configuration_file(text, message, tmp_path, monkeypatch):
    monkeypatch.setenv('EMPTY_VARIABLE', '')
    monkeypatch.setenv('QUOTE_VARIABLE', "it's")
    (tmp_path / 'base.py').write_text('a = 1\nmodel = dict(height=2)\n')
    (tmp_path / 'twin.py').write_text('a = 2\n')
    (tmp_path / 'config.py').write_text(text)
    found = said(tmp_path, config=str(tmp_path / 'config.py'))
    assert message in found
    assert '.py' in found


def test_a_line_of_an_inherited_file_is_named(tmp_path):
    (tmp_path / 'base.py').write_text('a = 1\nb = c\n')
    (tmp_path / 'config.py').write_text("_base_ = 'base.py'\n")
    assert "base.py', line 2: NameError" in said(tmp_path, config=str(tmp_path / 'config.py'))


def test_files_that_inherit_from_each_other(tmp_path):
    (tmp_path / 'config.py').write_text("_base_ = 'b.py'\n")
    (tmp_path / 'b.py').write_text("_base_ = 'config.py'\n")
    found = said(tmp_path, config=str(tmp_path / 'config.py'))
    assert found.count('config.py') == 3
    assert found.count('b.py') == 1


OTHER_FILES = {
    'a folder': (None, 'a folder', 'is a folder'),
    'no such file': ('none.py', None, 'does not exist'),
    'binary': ('config.py', b'\x80\x02}q\x00.', 'is not UTF-8 text (byte 0 is not)'),
    'Latin-1': ('config.py', 'a = "größe"'.encode('latin-1'), 'is not UTF-8 text (byte 7 is not)'),
    'UTF-16': ('config.py', 'a = 1'.encode('utf-16'), 'is not UTF-8 text'),
    'a checkpoint': ('epoch_1.pth', b'PK\x03\x04', 'must end in .py'),
    'a text': ('config.txt', b'a = 1', 'must end in .py'),
    'JSON that is cut off': ('config.json', b'{"a": ', 'cannot be parsed'),
    'a JSON list': ('config.json', b'[1]', 'must hold a dict of settings, got a list'),
    'an empty YAML': ('config.yaml', b'', 'must hold a dict of settings, got a NoneType'),
    'a wrong YAML': ('config.yaml', b'a: [1\nb: }', 'cannot be parsed'),
}


@pytest.mark.parametrize(('name', 'content', 'message'), OTHER_FILES.values(), ids=OTHER_FILES)
def test_another_file_in_place_of_a_configuration(name, content, message, tmp_path):
    path = tmp_path / (name or 'folder.py')
    if name is None:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    found = said(tmp_path, config=str(path))
    assert message in found
    assert path.name in found


def test_the_environment_variables_of_our_configurations(tmp_path, monkeypatch):
    monkeypatch.setenv('REFERENCE', '')
    assert 'REFERENCE is empty: give it a value, or unset it' in said(
        tmp_path, config=str(ROOT / 'configs/shape_world/sacl.py')
    )
    monkeypatch.setenv('REFERENCE', 'mine.pth')
    assert config_from_file(ROOT / 'configs/shape_world/sacl.py').model.reference_checkpoint == 'mine.pth'


OPTIONS = {
    '--cfg-options model': (['model'], "'model' is not key=value"),
    'no key': (['=3'], "'=3' is not key=value"),
    'no value': (['load_from='], "'load_from=' is not key=value"),
    'an empty key inside': (['model..type=x'], 'is not key=value'),
    'a dot at the end': (['model.=x'], 'is not key=value'),
    'a colon': (['model.type:x'], 'is not key=value'),
    'a=b=c': (['a=b=c'], "has no 'a'"),
    'a misspelt key': (['train_dataloder.batch_size=2'], "did you mean 'train_dataloader'?"),
    'a misspelt key of a loader': (['train_dataloader.batchsize=2'], "did you mean 'batch_size'?"),
    'a misspelt key deep inside': (
        ['model.towers.vision_backbon.depth=18'],
        "'model.towers' has no 'vision_backbon'; did you mean 'vision_backbone'?",
    ),
    'a misspelt last key': (['model.towers.vision_backbone.dept=18'], "did you mean 'depth'?"),
    'a part and the whole': (['model.towers=3', 'model.towers.neck=4'], 'override each other'),
    'inside a string': (
        ['model.type.name=x'],
        "'model.type' is 'DualEncoder', which can only be overridden as a whole",
    ),
    'inside a number': (['train_cfg.max_epochs.x=1'], "'train_cfg.max_epochs' is 8"),
    'inside None': (['load_from.x=1'], "'load_from' is None"),
    'inside a tuple': (['model.towers.vision_backbone.strides.0=1'], 'can only be overridden as a whole'),
    'beyond a list': (['param_scheduler.9.type=X'], "'param_scheduler' is a list of 2, it has no '9'"),
    'no index': (['param_scheduler.first.type=X'], "it has no 'first'"),
    'a superscript index': (['param_scheduler.².type=X'], "it has no '²'"),
    'an entry of a list': (['param_scheduler.0=X'], 'give the whole list'),
    'brackets that do not match': (['model.towers.vision_backbone.strides=(1,2'], 'the brackets of'),
    'nested without end': (['model.x=' + '[' * 2000], 'the brackets of'),
}


@pytest.mark.parametrize(('options', 'message'), OPTIONS.values(), ids=OPTIONS)
def test_a_wrong_option(options, message, tmp_path):
    with pytest.raises(Exception) as caught:
        load(tmp_path, options=options)
    assert type(caught.value).__name__ in ('UserError', 'ArgumentError')
    assert message in str(caught.value)


def test_options_that_are_right(tmp_path):
    cfg = load(
        tmp_path,
        options=[
            'load_from=/my data/a=b.pth',
            'train_cfg.max_epochs=1_0',
            'param_scheduler.0.end=10',
            'auto_scale_lr=None',
            'train_cfg.val_interval=3',
            'train_cfg.val_interval=4',  # the last counts
        ],
    )
    assert (cfg.load_from, cfg.train_cfg.max_epochs, cfg.auto_scale_lr) == ('/my data/a=b.pth', 10, None)
    assert (cfg.param_scheduler[0].end, cfg.train_cfg.val_interval) == (10, 4)
    assert load(tmp_path, options=['randomness.seed=None', 'model.x=[1,(2,a)]']).model.x == [1, (2, 'a')]


@pytest.mark.parametrize(
    'option', ['train_cfg.max_epochs=abc', 'model=3', 'train_dataloader.batch_size=0', 'resume=yes']
)
def test_a_wrong_value_from_the_command_line(option, tmp_path):
    key, _, value = option.partition('=')
    found = said(tmp_path, options=[option])
    assert key in found
    assert value in found


def test_what_a_test_needs(tmp_path):
    config = str(ROOT / 'configs/sacl/nlvr2_pretrain.py')
    assert 'has no test_dataloader and no test_cfg and no test_evaluator' in said(tmp_path, config=config, stage='test')
    load(tmp_path, config=config)
    load(tmp_path, config=str(ROOT / 'configs/sacl/zeroshot_flickr30k.py'), stage='test')


WORK_DIRS = {
    'a file': ('file', "'{}/file' is a file, not a folder"),
    'below a file': ('file/run', "'{}/file' is a file, not a folder"),
    'where nothing can be made': ('/proc/sacl/run', "cannot be written to: .*'/proc'"),
    'a device': ('/dev/null', "'/dev/null' is a file"),
    'a name that is too long': ('a' * 300, 'File name too long'),
}


@pytest.mark.parametrize(('name', 'message'), WORK_DIRS.values(), ids=WORK_DIRS)
def test_a_work_dir_that_cannot_be(name, message, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='work dir .*' + message.format(tmp_path)):
        load(tmp_path, arguments=['--work-dir', str(tmp_path / name)])
    assert [path.name for path in tmp_path.iterdir()] == ['file']


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm', 'mpi'])
def test_a_launcher_that_did_not_start_this(launcher, tmp_path, monkeypatch):
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)
    assert f'--launcher {launcher} is for processes that' in said(tmp_path, arguments=['--launcher', launcher])


@pytest.mark.parametrize('arguments', [['--launcher', 'nonsense'], ['--local_rank', 'x'], ['--local-rank', '1.5']])
def test_arguments_that_are_refused_by_the_parser(arguments, tmp_path):
    with pytest.raises(Exception, match='invalid (choice|int value)'):
        load(tmp_path, arguments=arguments)
