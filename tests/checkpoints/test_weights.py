"""Weights are found in every usual layout; what holds none is said in one line."""

from collections import OrderedDict

import pytest
import torch

from sacl_mm.checkpoints import CheckpointError, check_finite_weights, weights_of
from sacl_mm.user_error import NonFiniteError

X = torch.arange(3.0)
STATE = {'layer.weight': X, 'layer.bias': X + 1}


def prefixed(prefix: str) -> dict:
    return {prefix + key: value for key, value in STATE.items()}


LAYOUTS = {
    'a state dict': STATE,
    'an OrderedDict': OrderedDict(STATE),
    "MMEngine's": dict(state_dict=STATE, meta=dict(epoch=1), optimizer=dict(state={}, param_groups=[])),
    "{'model': ...}": dict(model=STATE, epoch=3),
    'both, one in the other': dict(model=dict(state_dict=STATE)),
    "tutorials'": dict(model_state_dict=STATE, optimizer_state_dict={}, loss=0.1),
    "DeepSpeed's": dict(module=STATE, global_steps=4),
    'DataParallel': prefixed('module.'),
    'DataParallel twice': prefixed('module.module.'),
    'torch.compile': prefixed('_orig_mod.'),
    'a compiled layer': {key.replace('layer.', 'layer._orig_mod.'): value for key, value in STATE.items()},
    'both in one order': prefixed('module._orig_mod.'),
    'both in the other': prefixed('_orig_mod.module.'),
    'FSDP': prefixed('_fsdp_wrapped_module.'),
    'a checkpointed layer': {key.replace('layer.', 'layer._checkpoint_wrapped_module.'): v for key, v in STATE.items()},
    'compiled, under model': dict(model=prefixed('_orig_mod.')),
}


@pytest.mark.parametrize('checkpoint', LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_that_are_understood(checkpoint):
    found = weights_of(checkpoint, 'a.pth')
    assert list(found) == list(STATE)
    assert all(torch.equal(found[key], value) for key, value in STATE.items())


def test_names_that_only_look_like_a_wrapper_stay():
    names = ['my_module.x', 'a.module.x', 'not_orig_mod.x', 'model', 'model_orig_mod.x']
    assert list(weights_of(dict.fromkeys(names, X), 'a.pth')) == names


WRONG = {
    'a list': ([X], 'a.pth holds a list, not a dict of weights'),
    'a tuple': ((X, X), 'holds a tuple, not a dict'),
    'a tensor': (X, 'holds a tensor, not a dict'),
    'None': (None, 'holds None, not a dict'),
    'a number': (3, 'holds an int, not a dict'),
    'a string': ('weights', 'holds a str, not a dict'),
    'a set': ({1, 2}, 'holds a set, not a dict'),
    'an empty dict': ({}, 'holds an empty dict, no weights'),
    'an empty state dict': (dict(state_dict={}), "a.pth, under 'state_dict', holds an empty dict"),
    'a list under state_dict': (dict(state_dict=[1]), "under 'state_dict', holds a list"),
    'None under model': (dict(model=None), "under 'model', holds None"),
    "an optimizer's state": (dict(state={}, param_groups=[]), 'holds the state of an optimizer'),
    "an optimizer's state under model": (
        dict(model=dict(state={}, param_groups=[])),
        "under 'model', holds the state of",
    ),
    'a training without weights': (dict(epoch=3, optimizer={}), r"holds no weights: 'epoch' \(an int\), 'optimizer'"),
    'keys that are numbers': ({0: X, 1: X}, r'holds no weights: 0 \(a tensor\), 1 \(a tensor\)'),
    'a key that is None': (STATE | {None: X}, r'holds more than weights: None \(a tensor\)'),
    'a number among weights': (STATE | dict(epoch=4), r"holds more than weights: 'epoch' \(an int\)"),
    'a list among weights': (STATE | dict(x=[X]), r"holds more than weights: 'x' \(a list\)"),
    'many that are no weights': (STATE | {str(i): i for i in range(9)}, r"'0' \(an int\), .*'2' \(an int\), \.\.\.;"),
    'a dict of state dicts': (dict(student=STATE, teacher=STATE), r"holds no weights: 'student' \(a dict\)"),
    'one weight twice': ({'x': X, 'module.x': X}, "two weights of one name: 'x' and 'module.x'"),
    'a few bytes for a terabyte': (
        STATE | dict(x=torch.zeros(1).expand(10**12)),
        "'x' \\(a tensor that is .* of its own",
    ),
    'a tensor without data': (STATE | dict(x=torch.zeros(3, device='meta')), "'x' \\(a tensor that .* of its own"),
    'a sparse tensor': (STATE | dict(x=torch.eye(3).to_sparse()), "'x' \\(a tensor that is sparse"),
}


@pytest.mark.parametrize(('checkpoint', 'message'), WRONG.values(), ids=WRONG)
def test_what_holds_no_weights_is_said(checkpoint, message):
    with pytest.raises(CheckpointError, match=message) as error:
        weights_of(checkpoint, 'a.pth')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64])
def test_weights_that_are_not_finite_are_named(value, dtype):
    wrong = torch.zeros(4, dtype=dtype)
    wrong[2] = value
    state = STATE | {f'layers.{number}': wrong for number in range(5)}
    with pytest.raises(
        NonFiniteError, match=r'a\.pth has .* in 5 of 7 tensors: layers\.0, layers\.1, layers\.2, \.\.\.;'
    ):
        check_finite_weights(state, 'a.pth')


def test_other_weights_are_fine():
    whole = dict(
        count=torch.tensor(3), mask=torch.tensor([True]), none=torch.zeros(0), bytes=torch.zeros(2, dtype=torch.uint8)
    )
    check_finite_weights(STATE | whole, 'a.pth')
