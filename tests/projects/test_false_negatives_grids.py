"""The grids of the study of false negatives, and what of a configuration its records go by."""

import os
from dataclasses import replace

import pytest
import run_config
from grids import FLICKR8K, SHAPE_WORLD, find_grid
from run_config import ROOT, config_hash, config_text
from runs import Run, axis, product
from variants import VARIANTS

from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.user_error import UserError


@pytest.mark.parametrize('label', VARIANTS)
def test_the_configuration_that_is_trained_is_the_one_that_is_hashed(label, tmp_path):
    (run,) = product(SHAPE_WORLD, [label], {'batch': axis('train_dataloader.batch_size', 16)}, [3])
    file = tmp_path / 'config.py'
    file.write_text(config_text(run, None).replace("'None'", "'{checkpoint}'"))
    cfg = config_from_file(str(file))
    assert cfg.model.contrastive_loss.policy == VARIANTS[label].options['model.contrastive_loss.policy']
    assert cfg.train_dataloader.batch_size == 16
    assert cfg.randomness.seed == 3
    resolved = replace(run, config=os.path.relpath(file, ROOT), options={})
    assert config_hash(resolved, None) == config_hash(run, None) == config_hash(replace(run, seed=4), None)
    assert config_hash(run, None) != config_hash(run, 'parent')
    assert config_hash(run, None) != config_hash(replace(run, options={**run.options, 'train_cfg.max_epochs': 9}), None)


def test_a_hash_does_not_depend_on_where_data_and_weights_lie(monkeypatch):
    (run,) = product(FLICKR8K, ['InfoNCE'], {}, [0])
    hashes = []
    for folder in ('/here', 'there/x'):
        monkeypatch.setenv('FLICKR8K', folder)
        monkeypatch.setenv('RESNET50', f'{folder}/resnet.pth')
        run_config._base.cache_clear()
        hashes.append(config_hash(run, None))
        assert 'resnet.pth' not in str(run_config._base(FLICKR8K))
    assert hashes[0] == hashes[1]


def test_an_option_inside_a_list_is_one_line():
    run = Run('A', SHAPE_WORLD, {'param_scheduler.0.end': 3}, 0)
    with pytest.raises(
        UserError, match="option 'param_scheduler.0.end': 'param_scheduler' of .* is no dict: set it wholly"
    ):
        config_hash(run, None)


def test_misspelt_grids_and_a_product():
    with pytest.raises(UserError, match="grid 'smok' does not exist; did you mean 'smoke'"):
        find_grid('smok', [])
    axes = dict(batch=axis('b', 1, 2), noise={0: {}, 20: {'ann_file': 'x'}})
    runs = product('c', ['InfoNCE', 'SACL'], axes, seeds=[0, 1])
    assert len(runs) == 16
    assert runs[-1].setting == dict(batch=2, noise=20)
    assert runs[-1].options['ann_file'] == 'x'


def test_records_outlive_changes_of_hooks_and_logs(tmp_path):
    run, hashes = Run('A', SHAPE_WORLD, {}, 0), []
    for change in ('default_hooks = dict(logger=dict(interval=3))', 'train_cfg = dict(max_epochs=3)'):
        file = tmp_path / f'{len(hashes)}.py'
        file.write_text(f'_base_ = [{str(ROOT / SHAPE_WORLD)!r}]\n{change}\n')
        hashes.append(config_hash(replace(run, config=os.path.relpath(file, ROOT)), None))
    assert hashes[0] == config_hash(run, None) != hashes[1]
    with pytest.raises(UserError, match="option 'default_hooks.x' would not tell its record from others"):
        config_hash(replace(run, options={'default_hooks.x': 1}), None)
