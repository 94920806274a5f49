"""A training stops before it saves what is broken, or waits without end."""

import time

import pytest
import torch
from mmengine.registry import RUNNERS
from tiny_training import FULL, RETRIEVAL, at, config, loader, train

from sacl_mm.engine.launch import run_tool
from sacl_mm.user_error import NonFiniteError, UserError


def poison(name, value=float('nan')):
    def act(runner):
        with torch.no_grad():
            dict(runner.model.named_parameters())[name].fill_(value)

    return act


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    act = poison('matching_head.classifier.weight')
    with pytest.raises(
        NonFiniteError, match=r'1 of the weights .*matching_head\.classifier\.weight\. They are not saved'
    ):
        train(tmp_path, at(12, act))
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_weights_that_are_not_finite_are_not_validated(tmp_path):
    act = at(6, poison('matching_head.classifier.weight'))
    with pytest.raises(NonFiniteError, match='They are not validated'):
        train(tmp_path, act, default_hooks=dict(checkpoint=None), **RETRIEVAL)


def test_the_best_checkpoint_is_not_a_diverged_one(tmp_path):
    hooks = dict(
        checkpoint=dict(
            type='CheckpointHook', interval=1, max_keep_ckpts=1, save_best='retrieval/R@mean', rule='greater'
        )
    )
    with pytest.raises(NonFiniteError, match='iteration 8'):
        train(tmp_path, at(8, poison('towers.image_projection.weight', 1e38)), default_hooks=hooks, **RETRIEVAL)
    assert {path.name for path in tmp_path.glob('*.pth')} == {'epoch_1.pth', 'best_retrieval_R@mean_epoch_1.pth'}


def test_a_training_whose_iterations_are_hidden_stops(tmp_path):
    with pytest.raises(UserError, match='set_progress|stands still'):
        train(tmp_path, default_hooks=dict(runtime_info=None))


def test_the_settings_of_the_queue_must_stay_on_resume(one_epoch, tmp_path):
    one_epoch()
    with pytest.raises(UserError, match=r'lacks queue\.'):
        train(tmp_path, resume=True, model=dict(config(tmp_path).model, queue_size=16))
    assert FULL['queue_size'] == 10


def test_a_hanging_data_loading_worker_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr('sacl_mm.datasets.ShapeWorld.__getitem__', lambda self, index: time.sleep(1000))
    with pytest.raises(SystemExit) as end:
        run_tool(lambda: train(tmp_path, **loader(tmp_path, num_workers=1, timeout=2)))
    assert 'DataLoader timed out after 2 seconds: a data loading worker hangs' in str(end.value)


def test_data_loading_workers_have_a_time_limit(tmp_path):
    runner = RUNNERS.build(config(tmp_path, **loader(tmp_path, num_workers=1)))
    assert runner.train_loop.dataloader.timeout == 900


def test_our_default_hooks_can_be_switched_off(tmp_path):
    off = dict.fromkeys(('loading', 'evidence', 'progress', 'cpu'))
    runner = RUNNERS.build(config(tmp_path, default_hooks=off))
    names = {type(hook).__name__ for hook in runner.hooks}
    assert names.isdisjoint({'TolerantLoadingHook', 'EvidenceHook', 'ProgressHook', 'CPUKernelsHook'})
    with pytest.raises(AssertionError):
        RUNNERS.build(config(tmp_path, default_hooks=dict(cpuu=None)))
