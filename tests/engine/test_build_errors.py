"""Mistakes in a configuration are told apart from mistakes in code."""

import pytest

import sacl_mm.models
from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.engine.build_errors import build_mistake
from sacl_mm.registry import MODELS

load_mmpretrain()
import sacl_mm.models.backbones  # noqa: E402, F401  (needs the above)


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
    message = (
        "the configuration's type 'TokenReducedViT': guide must be 'similarity', 'class', 'text' or 'both', got 'sound'"
    )
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
