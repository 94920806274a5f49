"""Random mistakes in real configurations and options: the check passes them or says in one line which key is wrong."""

import os
import pickle
from argparse import ArgumentError, ArgumentParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from sacl_mm.command_line import add_common_arguments
from sacl_mm.engine.checks.config_check import check_config, check_parts
from sacl_mm.user_error import UserError

ROOT = Path(__file__).parents[2]
CONFIGS = [Config.fromfile(ROOT / f'configs/shape_world/{name}.py').to_dict() for name in ('infonce', 'vqa')]
fuzz = settings(
    max_examples=int(os.environ.get('FUZZ_EXAMPLES', '60')),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(['EpochBasedTrainLoop', 'type', '0', '{{x}}', 'a\nb'])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def paths(node, path=()):
    """Of everything inside a configuration."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, value in inside:
        yield (*path, key)
        yield from paths(value, (*path, key))


def some_path(config):
    """Top-level keys and those of loaders and loops are as likely as the many inside models."""
    found = list(paths(config))
    shallow = [path for path in found if len(path) <= 2]
    return st.sampled_from(found) | st.sampled_from(shallow)


def mutated(config, data):
    """The configuration with one key deleted, replaced or misspelt, and the path to it."""
    config = pickle.loads(pickle.dumps(config))  # faster than deepcopy
    path = data.draw(some_path(config))
    node = config
    for key in path[:-1]:
        if isinstance(node[key], tuple):  # which MMEngine leaves as it is
            node[key] = list(node[key])
        node = node[key]
    if isinstance(node, tuple):
        return config, path
    how = data.draw(st.sampled_from(['delete', 'replace', 'misspell']))
    if how == 'replace' or isinstance(node, list):
        node[path[-1]] = data.draw(values)
    else:
        value = node.pop(path[-1])
        if how == 'misspell':
            at = data.draw(st.integers(0, len(path[-1]) - 1))
            name = path[-1][:at] + data.draw(st.text(max_size=1)) + path[-1][at + 1 :]
            if name:
                node[name] = value
    return config, path


@fuzz
@given(
    data=st.data(), config=st.sampled_from(CONFIGS), times=st.integers(1, 3), stage=st.sampled_from(['train', 'test'])
)
def test_a_configuration_with_mistakes(data, config, times, stage):
    changed = []
    for _ in range(times):
        config, path = mutated(config, data)
        changed.append(path)
    try:
        cfg = Config(config)
    except KeyError:  # a reserved name
        return
    try:
        check_config(cfg)
        check_parts(cfg, stage)
    except UserError as error:
        message = str(error)
    else:
        return
    assert '\n' not in message
    assert len(message) < 1000
    # The key, or a part that it was missing beside.
    assert any(str(key) in message for key in [*config, *(key for path in changed for key in path)])


characters = st.text(alphabet='abct01.=,[]()\'" -', max_size=12)
known = st.sampled_from(
    ['model', 'model.type', 'train_cfg.max_epochs', 'custom_hooks.0', 'load_from', 'train_dataloader.']
)


@fuzz
@given(
    config=st.sampled_from(CONFIGS),
    options=st.lists(st.builds('{}{}'.format, st.just('') | known, characters), min_size=1, max_size=3),
)
def test_options_with_mistakes(config, options):
    parser = ArgumentParser(exit_on_error=False)
    add_common_arguments(parser)
    options = [option for option in options if not option.startswith('-')]
    cfg = Config(pickle.loads(pickle.dumps(config)))
    try:
        overrides = parser.parse_args(['--cfg-options', *options]).cfg_options
        check_config(cfg, overrides)
        cfg.merge_from_dict(overrides)
        check_config(cfg)
    except (ArgumentError, UserError) as error:
        message = str(error)
    else:
        return
    assert '\n' not in message
    assert not options or any(option.partition('=')[0].partition('.')[0] in message for option in options)


def test_unchanged_they_pass():
    for config in CONFIGS:
        check_config(Config(pickle.loads(pickle.dumps(config))))
        for stage in ('train', 'test'):
            check_parts(Config(pickle.loads(pickle.dumps(config))), stage)


@pytest.mark.parametrize('key', [3, None, ('a',)])
def test_keys_that_are_no_names(key):
    with pytest.raises(UserError, match='which nothing reads'):
        check_config(Config(dict(train_dataloader={key: 1})))
