"""A wrong value, a misspelt key or a missing part of a configuration is one line that names it, before anything is built."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from sacl_mm.engine.checks.config_check import check_config, check_parts
from sacl_mm.user_error import UserError

CONFIG = Path(__file__).parents[2] / 'configs/shape_world/infonce.py'


@pytest.fixture(scope='module')
def config():
    return Config.fromfile(CONFIG)


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
