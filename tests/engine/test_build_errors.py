"""Mistakes in a configuration are told apart from mistakes in code."""

import importlib
import json
from typing import Literal

import mmengine.registry
import pytest
import torch
from mmengine.registry import DefaultScope
from tiny_training import config

import sacl_mm.models.backbones  # noqa: F401  (registers mmpretrain's models, too)
from sacl_mm.build_errors import build_mistake, wrong_type
from sacl_mm.engine import ResumableRunner
from sacl_mm.engine.launch import build_runner
from sacl_mm.registry import MODELS


def mistake_of(error_type, config):
    with pytest.raises(error_type) as caught:
        MODELS.build(dict(config, _scope_='sacl_mm'))
    return build_mistake(caught.value)


def test_an_argument_that_a_base_class_refuses_is_the_configurations():
    config = dict(type='TokenReducedViT', arch='deit-t', img_size=32, keep_rates=0.7)
    message = "type 'TokenReducedViT' an argument 'keep_rates', which it does not have; did you mean 'keep_rate'?"
    assert message in mistake_of(TypeError, config)
    assert message in mistake_of(TypeError, config | dict(keep_rate=0.7))  # which a base configuration may have set


def test_a_part_is_named_rather_than_the_whole():
    config = dict(type='SACLContrastiveLoss', policy=dict(type='SimilarityRegulation', weight=0))
    assert "'SimilarityRegulation' an argument 'weight'" in mistake_of(TypeError, config)


def test_a_missing_argument():
    assert (
        mistake_of(TypeError, dict(type='ImageTokenNeck'))
        == "the configuration's type 'ImageTokenNeck' lacks 'in_channels'"
    )


def test_an_unknown_type():
    message = "type 'SACLContrastLoss' is not in the registry of models; did you mean 'SACLContrastiveLoss'?"
    assert message in mistake_of(KeyError, dict(type='SACLContrastLoss'))


def test_a_refused_value():
    config = dict(type='TokenReducedViT', arch='deit-t', img_size=32, guide='sound')
    message = "the configuration's type 'TokenReducedViT': guide must be 'similarity', 'text' or 'both', got 'sound'"
    assert mistake_of(ValueError, config) == message


@MODELS.register_module()
class _Buggy:
    def __init__(self, error):
        if error == 'key':
            {}['nothing']
        if error == 'value':
            int('one')
        dict.fromkeys(other=1)


@pytest.mark.parametrize(('error', 'error_type'), [('key', KeyError), ('type', TypeError), ('value', ValueError)])
def test_a_bug_in_code_is_not_the_configurations(error, error_type):
    assert mistake_of(error_type, dict(type='_Buggy', error=error)) is None


def test_an_error_from_elsewhere_is_none_either():
    with pytest.raises(TypeError) as caught:
        int(base=3, x=4)
    assert build_mistake(caught.value) is None


REFUSED = {
    'an assertion of mmengine or mmpretrain': (
        dict(type='mmpretrain.VisionTransformer', arch='huge-nonsense'),
        "type 'VisionTransformer': Arch huge-nonsense is not in default archs",
    ),
    'an assertion without words': (
        dict(type='mmpretrain.ResNet', depth=18, num_stages=7),
        'its settings do not fulfil `assert num_stages',
    ),
    'a KeyError that is raised': (
        dict(type='mmpretrain.ResNet', depth=17),
        "type 'ResNet': invalid depth 17 for resnet",
    ),
    'a depth of another type': (
        dict(type='mmpretrain.ResNet', depth=18, base_channels='x'),
        "type 'ResNet' cannot be built: ",
    ),
    'a negative width': (
        dict(type='mmpretrain.ResNet', depth=18, base_channels=-16),
        "type 'ResNet' cannot be built: RuntimeError",
    ),
    'a width in words': (dict(type='MatchingHead', width='wide'), 'width must be a whole number of at least 1'),
    'a list for a number': (dict(type='MatchingHead', width=[3]), 'width must be a whole number of at least 1'),
    'a name in place of a part': (
        dict(type='DualEncoder', data_preprocessor='x', towers={}, contrastive_loss={}),
        "type 'DualEncoder' has 'x' where a dict with a type is needed",
    ),
    'a part without type': (
        dict(type='SACLContrastiveLoss', policy=dict(alpha=1)),
        "type 'SACLContrastiveLoss' has {'alpha': 1} where a dict with a type is needed",
    ),
    'a type that is a number': (dict(type=3), "the configuration has {'type': 3"),
}


@pytest.mark.parametrize(('config', 'message'), REFUSED.values(), ids=REFUSED)
def test_what_building_refuses(config, message):
    found = mistake_of(Exception, config)
    assert message in found
    assert '\n' not in found


def test_a_type_of_another_scope():
    with DefaultScope.overwrite_default_scope('mmengine'), pytest.raises(KeyError) as caught:
        mmengine.registry.MODELS.build(dict(type='SACLContrastiveLoss'))
    found = build_mistake(caught.value)
    assert (
        "'SACLContrastiveLoss' is not in the registry of models; it is in sacl_mm: set default_scope = 'sacl_mm'"
        in found
    )


@MODELS.register_module()
class _Reader:
    def __init__(self, path=None, module=None, error=None):
        if module:
            importlib.import_module(module)
        if error:
            raise error
        with open(path) as file:
            json.load(file)


FILES = {
    'no such file': (dict(path='none.json'), 'FileNotFoundError'),
    'a folder': (dict(path='.'), 'IsADirectoryError'),
    'below a file': (dict(path='file/x'), 'NotADirectoryError'),
    'no UTF-8': (dict(path='latin'), 'UnicodeDecodeError'),
    'no JSON': (dict(path='file'), 'Expecting value'),
    'a package that is not installed': (dict(module='no_such_package'), "No module named 'no_such_package'"),
    'a RuntimeError in words': (dict(error=RuntimeError('needs\na GPU')), 'needs a GPU'),
    'an AttributeError in words': (dict(error=AttributeError('no such layer')), 'no such layer'),
}


@pytest.mark.parametrize(('settings', 'message'), FILES.values(), ids=FILES)
def test_what_a_type_reads(settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').write_text('x')
    (tmp_path / 'latin').write_bytes(b'\xff')
    found = mistake_of(Exception, dict(type='_Reader', **settings))
    assert found.startswith("the configuration's type '_Reader'")
    assert message in found


def runner(folder, **changes):
    return build_runner(config(folder, launcher='none', **changes))


RUNNER = {
    'an unknown start method': (lambda path: runner(path, env_cfg=dict(mp_cfg=dict(mp_start_method='y'))), 'y'),
    'a scheduler that is no dict': (lambda path: runner(path, param_scheduler=3), 'param_scheduler'),
    'a loop of validation that is none': (lambda path: runner(path).build_val_loop(3), 'val_loop should be'),
    'a loop that is none': (lambda path: runner(path).build_train_loop(3), 'train_loop should be'),
    'a loader of nothing': (
        lambda path: ResumableRunner.build_dataloader(dict(dataset=[1], sampler=None, batch_size=-1)),
        'batch_size should be',
    ),
}


@pytest.mark.parametrize(('build', 'message'), RUNNER.values(), ids=RUNNER)
def test_what_the_runner_refuses(build, message, tmp_path, monkeypatch):
    with pytest.raises(Exception) as caught:
        build(tmp_path)
    found = build_mistake(caught.value)
    assert found.startswith('the configuration: ')
    assert message in found


def _annotated(
    a: int, b: float = 0.1, c: str | None = None, d: dict | torch.nn.Module = None, e: Literal['x', 3] = 'x'
):
    pass


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(a=1, b=2, c=None, d=3), None),  # d may be something that is built
        (dict(a=1.0), 'a must be int, got 1.0'),
        (dict(a=1, b='x'), "b must be float, got 'x'"),
        (dict(a=1, c=[]), 'c must be str or None, got []'),
        (dict(a=1, e='y'), "e must be typing.Literal['x', 3], got 'y'"),
        (dict(a=1, b=2, c='x', d={}, e=3, f='unknown'), None),
    ],
)
def test_types_of_arguments(arguments, message):
    found = wrong_type(_annotated, arguments)
    assert found == message if message is None else message in found
