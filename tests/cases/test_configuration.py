"""A mistake in a configuration or on the command line is one line that names the file or key, before anything is built."""

import copy
from argparse import ArgumentParser
from pathlib import Path

import pytest
from mmengine.config import Config

from sacl_mm.engine.checks.config_check import check_config, check_parts
from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.engine.launch import add_common_arguments, load_config
from sacl_mm.user_error import UserError

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/sacl/shape_world_infonce.py')


@pytest.fixture(scope='module')
def config():
    return Config.fromfile(CONFIG)


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
        tmp_path, config=str(ROOT / 'configs/sacl/shape_world.py')
    )
    monkeypatch.setenv('REFERENCE', 'mine.pth')
    assert config_from_file(ROOT / 'configs/sacl/shape_world.py').model.reference_checkpoint == 'mine.pth'


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
        ['model.towers.backbon.depth=18'],
        "'model.towers' has no 'backbon'; did you mean 'backbone'?",
    ),
    'a misspelt last key': (['model.towers.backbone.dept=18'], "did you mean 'depth'?"),
    'a part and the whole': (['model.towers=3', 'model.towers.neck=4'], 'override each other'),
    'inside a string': (
        ['model.type.name=x'],
        "'model.type' is 'DualEncoder', which can only be overridden as a whole",
    ),
    'inside a number': (['train_cfg.max_epochs.x=1'], "'train_cfg.max_epochs' is 8"),
    'inside None': (['load_from.x=1'], "'load_from' is None"),
    'inside a tuple': (['model.towers.backbone.strides.0=1'], 'can only be overridden as a whole'),
    'beyond a list': (['param_scheduler.9.type=X'], "'param_scheduler' is a list of 2, it has no '9'"),
    'no index': (['param_scheduler.first.type=X'], "it has no 'first'"),
    'a superscript index': (['param_scheduler.².type=X'], "it has no '²'"),
    'an entry of a list': (['param_scheduler.0=X'], 'give the whole list'),
    'brackets that do not match': (['model.towers.backbone.strides=(1,2'], 'the brackets of'),
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


VALUES = {
    'model': [3, 'x', [1], {}, dict(type=''), dict(type=3), dict(type=None)],
    'data_preprocessor': ['x', 3],
    'default_scope': [3, '', ['sacl_mm']],
    'work_dir': [3, '', ' ', 'a\0b'],
    'load_from': [3, True, ''],
    'resume': ['yes', 1],
    'launcher': ['nonsense', 3, ['none']],
    'log_level': ['LOUD', -1, 1.5, True],
    'visualizer': ['x', {}],
    'vis_backends': ['x', dict(type='LocalVisBackend')],
    'randomness': [3, [0]],
    'randomness.seed': ['x', 1.5, -1, 2**32, True, [1]],
    'randomness.deterministic': ['no', 1],
    'env_cfg': [3, 'x'],
    'env_cfg.mp_cfg.mp_start_method': ['thread', 3],
    'env_cfg.dist_cfg': ['gloo'],
    'default_hooks': [[], 'x', [dict(type='IterTimerHook')]],
    'default_hooks.timer': ['IterTimerHook', {}, 3],
    'default_hooks.logger.interval': [0, -1, 1.5, 'x'],
    'default_hooks.checkpoint.interval': [0, -2, 'x'],
    'custom_hooks': ['x', dict(type='ProgressHook'), 3, ['ProgressHook'], [{}], [None], [3]],
    'auto_scale_lr': [512, 'x'],
    'auto_scale_lr.base_batch_size': [0, 'x', 1.5],
    'train_cfg': [3, 'EpochBasedTrainLoop', []],
    'train_cfg.type': [3, '', None, {}],
    'train_cfg.by_epoch': ['no', 1, None],
    'val_cfg.type': ['', 3],
    'optim_wrapper.type': ['', {}],
    'optim_wrapper.constructor': [3, None],
    'train_cfg.max_epochs': ['abc', 0, -1, 1.5, True, None, [3], float('inf'), float('nan')],
    'train_cfg.val_interval': [0, -1, 'x', 1.5, None],
    'train_cfg.val_begin': [-1, 'x'],
    'val_cfg': [3, []],
    'test_cfg.fp16': ['yes', 1],
    'optim_wrapper': [3, [], 'AdamW'],
    'optim_wrapper.optimizer': [3, 'AdamW', {}, None],
    'optim_wrapper.optimizer.lr': ['abc', -1, float('nan'), float('inf'), None, True],
    'optim_wrapper.optimizer.weight_decay': ['abc', -1],
    'optim_wrapper.accumulative_counts': [0, -1, 1.5, 'x'],
    'optim_wrapper.clip_grad': [1.0, 'x'],
    'optim_wrapper.clip_grad.max_norm': [-1, 0, 'x', None],
    'param_scheduler': [3, 'x', [3], ['LinearLR'], [dict(end=3)], dict(type=3)],
    'val_evaluator': [3, 'RetrievalMetric', ['RetrievalMetric'], [], {}, [{}], dict(metrics=[]), dict(metrics=3)],
    'test_evaluator': [3, 'VQAAccuracy', ['RetrievalMetric', 'VQAAccuracy'], [None]],
    'train_dataloader': [3, [], 'x'],
    'train_dataloader.batch_size': [0, -1, 'x', 1.5, None, True, [8]],
    'train_dataloader.num_workers': [-1, 'x', 1.5, None],
    'train_dataloader.prefetch_factor': [0, 'x'],
    'train_dataloader.persistent_workers': ['x', 1],
    'train_dataloader.drop_last': ['yes', None],
    'train_dataloader.dataset': [3, 'ShapeWorld', {}, None, []],
    'train_dataloader.sampler': [3, 'EpochSampler', {}, None],
    'train_dataloader.collate_fn': ['pseudo_collate', {}, 3, None],
    'val_dataloader.batch_size': [0, 'x'],
    'test_dataloader.timeout': [-1, 'x', float('inf')],
}


@pytest.mark.parametrize(
    ('key', 'value'),
    [(key, value) for key, values in VALUES.items() for value in values],
    ids=lambda given: str(given)[:40],
)
def test_a_value_that_its_key_cannot_have(key, value, config):
    cfg = copy.deepcopy(config)
    node, *path = cfg, *key.split('.')
    for name in path[:-1]:
        if not isinstance(node, list) and node.get(name) is None:
            node[name] = {}
        node = node[int(name) if isinstance(node, list) else name]
    node[int(path[-1]) if isinstance(node, list) else path[-1]] = value
    with pytest.raises(UserError, match=rf"configuration's {key}\S* must be .*, got ") as caught:
        check_config(cfg)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'option', ['train_cfg.max_epochs=abc', 'model=3', 'train_dataloader.batch_size=0', 'resume=yes']
)
def test_a_wrong_value_from_the_command_line(option, tmp_path):
    key, _, value = option.partition('=')
    found = said(tmp_path, options=[option])
    assert key in found
    assert value in found


LEGAL = {
    'evaluator as dict': dict(val_evaluator=dict(type='RetrievalMetric')),
    'evaluator as list': dict(val_evaluator=[dict(type='RetrievalMetric'), dict(type='CaptionConsensus')]),
    'evaluator with metrics': dict(val_evaluator=dict(type='Evaluator', metrics=[dict(type='RetrievalMetric')])),
    'one scheduler': dict(param_scheduler=dict(_delete_=True, type='LinearLR', end=3)),
    'no scheduler': dict(param_scheduler=None),
    'schedulers by optimizer': dict(
        param_scheduler=dict(_delete_=True, image=[dict(type='LinearLR')], text=dict(type='LinearLR'))
    ),
    'a seed drawn anew': dict(randomness=dict(seed=None)),
    'a hook that is off': dict(default_hooks=dict(timer=None)),
    'a type as a class': dict(model=dict(type=dict)),
    'a model that is built': dict(model=object()),
    'no workers, not persistent': dict(val_dataloader=dict(num_workers=0, persistent_workers=False)),
    'iterations': dict(train_cfg=dict(_delete_=True, by_epoch=False, max_iters=1e3, val_interval=100)),
}


@pytest.mark.parametrize('changes', LEGAL.values(), ids=LEGAL)
def test_legal_forms(changes, config):
    cfg = copy.deepcopy(config)
    cfg.merge_from_dict(copy.deepcopy(changes))
    check_config(cfg)
    check_parts(cfg, 'train')


PARTS = {
    'no model': ("cfg.pop('model')", 'has no model'),
    'val_cfg without val_dataloader': (
        'cfg.val_dataloader = None',
        'has no val_dataloader beside val_cfg and val_evaluator',
    ),
    'val_dataloader without val_cfg': ("cfg.pop('val_cfg')", 'has no val_cfg beside val_dataloader and val_evaluator'),
    'val_evaluator alone': (
        'cfg.val_cfg = cfg.val_dataloader = None',
        'has no val_dataloader and no val_cfg beside val_evaluator',
    ),
    'test_evaluator missing': (
        "cfg.pop('test_evaluator')",
        'has no test_evaluator beside test_dataloader and test_cfg',
    ),
    'train_cfg missing': ("cfg.pop('train_cfg')", 'has no train_cfg beside train_dataloader and optim_wrapper'),
    'optim_wrapper missing': ("cfg.pop('optim_wrapper')", 'has no optim_wrapper beside'),
    'nothing to train with': ('cfg.train_cfg = cfg.train_dataloader = cfg.optim_wrapper = None', 'training needs'),
    'train_cfg without max_epochs': ('del cfg.train_cfg.max_epochs', 'train_cfg has no max_epochs'),
    'by_epoch without max_epochs': ('cfg.train_cfg = dict(by_epoch=True)', 'train_cfg has no max_epochs'),
    'iterations without max_iters': ("cfg.train_cfg.type = 'IterBasedTrainLoop'", 'train_cfg has no max_iters'),
    'train_cfg without type': ('del cfg.train_cfg.type', "needs type='EpochBasedTrainLoop', or by_epoch=True"),
    'an optimizer outside its wrapper': (
        "cfg.optim_wrapper = dict(type='AdamW', lr=1e-3)",
        'optim_wrapper has no optimizer',
    ),
    'no dataset': ('del cfg.train_dataloader.dataset', 'train_dataloader has no dataset'),
    'no sampler': ('del cfg.val_dataloader.sampler', 'val_dataloader has no sampler'),
    'num_workers=0 with persistent_workers': (
        'cfg.train_dataloader.persistent_workers = True',
        'train_dataloader has persistent_workers=True with num_workers=0: leave persistent_workers out, or set num_workers',
    ),
    'num_workers=0 with prefetch_factor': (
        'cfg.test_dataloader.prefetch_factor = 2',
        'test_dataloader has prefetch_factor=2 with',
    ),
    'shuffle beside a sampler': ('cfg.train_dataloader.shuffle = True', 'has shuffle beside a sampler'),
    'drop_last beside a batch_sampler': (
        "cfg.train_dataloader.batch_sampler = dict(type='BatchSampler')",
        'train_dataloader has drop_last beside a batch_sampler',
    ),
    'a batch_sampler without batch_size': (
        "cfg.train_dataloader.batch_sampler = dict(type='BatchSampler'); del cfg.train_dataloader.batch_size",
        'train_dataloader has no batch_size',
    ),
    'an unknown collate_fn': (
        "cfg.train_dataloader.collate_fn.type = 'pseudo_colate'",
        "did you mean 'pseudo_collate'?",
    ),
    'an unknown worker_init_fn': (
        "cfg.val_dataloader.worker_init_fn = dict(type='none')",
        "'none' is not in the registry",
    ),
}


@pytest.mark.parametrize(('change', 'message'), PARTS.values(), ids=PARTS)
def test_parts_that_are_missing_or_exclude_each_other(change, message, config):
    cfg = copy.deepcopy(config)
    exec(change, dict(cfg=cfg))
    check_config(cfg)
    with pytest.raises(UserError) as caught:
        check_parts(cfg, 'train')
    assert message in str(caught.value)


def test_what_a_test_needs(tmp_path):
    config = str(ROOT / 'configs/sacl/nlvr2_pretrain.py')
    assert 'has no test_dataloader and no test_cfg and no test_evaluator' in said(tmp_path, config=config, stage='test')
    load(tmp_path, config=config)
    load(tmp_path, config=str(ROOT / 'configs/sacl/zeroshot_flickr30k.py'), stage='test')


MISSPELT = [
    'train_dataloder',
    'val_evaluater',
    'optim_wraper',
    'param_schedulers',
    'defualt_hooks',
    'load_form',
    'randomnes',
]


@pytest.mark.parametrize('key', MISSPELT)
def test_a_misspelt_key(key):
    with pytest.raises(UserError, match=f"the configuration has '{key}', which nothing reads; did you mean"):
        check_config(Config({key: 3}))


@pytest.mark.parametrize(
    ('part', 'key'),
    [
        ('train_dataloader', 'workers'),
        ('train_dataloader', 'droplast'),
        ('env_cfg', 'cudnn_benchmrk'),
        ('env_cfg', 'backend'),
        ('auto_scale_lr', 'base_batchsize'),
        ('randomness', 'sed'),
    ],
)
def test_a_misspelt_key_of_a_part(part, key):
    with pytest.raises(UserError, match=f"the configuration's {part} has '{key}', which nothing reads"):
        check_config(Config({part: {key: 3}}))


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
