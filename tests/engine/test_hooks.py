import io
import logging
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop

from sacl_mm.engine import PlainCheckpointHook, ProgressHook, StrictLoadingHook, TrainingStateHook
from sacl_mm.engine.config_check import UserError
from sacl_mm.models import DualEncoder


def save_and_load(checkpoint):
    file = io.BytesIO()
    torch.save(checkpoint, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_histories_survive_as_plain_data():
    buffer = HistoryBuffer()
    for number in range(5):
        buffer.update(number / 3, 2)
    checkpoint = dict(
        meta=dict(epoch=np.int64(3), names=('a', 'b')),
        message_hub=dict(
            log_scalars={'train/loss': buffer},
            runtime_info=dict(eta=np.float64(1.5), table=np.arange(3), last_ckpt=None),
            resumed_keys={'train/loss': True},
        ),
        param_schedulers=[dict(last_step=4)],
        state_dict=dict(weight=torch.ones(2)),
    )
    hook = PlainCheckpointHook()
    hook.before_save_checkpoint(None, checkpoint)
    loaded = save_and_load(checkpoint)
    hook.after_load_checkpoint(None, loaded)
    assert loaded['meta'] == dict(epoch=3, names=('a', 'b'))
    assert loaded['message_hub']['runtime_info']['eta'] == 1.5
    restored = loaded['message_hub']['log_scalars']['train/loss']
    assert np.array_equal(restored.data, buffer.data)
    assert restored.mean(3) == buffer.mean(3)


def test_what_is_no_data_is_named():
    with pytest.raises(TypeError, match=r'message_hub\.runtime_info\.thing is a object'):
        PlainCheckpointHook().before_save_checkpoint(None, dict(message_hub=dict(runtime_info=dict(thing=object()))))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = []

    def set_progress(self, *arguments):
        self.calls.append(('progress', *arguments))

    def after_step(self, weights_moved):
        self.calls.append(('after_step', weights_moved))

    def start_teacher(self):
        self.calls.append('start_teacher')


def runner(**changes):
    values = dict(
        val_loop=None,
        model=Model(),
        optim_wrapper=SimpleNamespace(should_update=lambda: True),
        iter=0,
        max_iters=10,
        seed=3,
        rank=0,
        epoch=0,
        max_epochs=2,
        logger=logging.getLogger('test'),
    )
    return SimpleNamespace(**values | changes)


def draws(hook, run):
    hook.before_train_iter(run, 0)
    return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002


def test_random_numbers_are_a_function_of_seed_rank_and_iteration():
    hook = TrainingStateHook()
    first = draws(hook, runner(iter=4))
    torch.rand(10)
    assert draws(hook, runner(iter=4)) == first
    others = [draws(hook, runner(**change)) for change in (dict(iter=5), dict(iter=4, rank=1), dict(iter=4, seed=4))]
    assert len({first, *others}) == 4


def test_the_model_is_told_and_the_teacher_started_once():
    hook, run = TrainingStateHook(), runner()
    hook.before_train(run)
    hook.before_train_iter(run, 0)
    hook.after_train_iter(run, 0)
    assert run.model.calls == ['start_teacher', ('progress', 0, 10, 3), ('after_step', True)]
    resumed = runner(iter=5)
    hook.before_train(resumed)
    assert resumed.model.calls == []


def test_the_teacher_waits_while_gradients_are_accumulated():
    hook, run = TrainingStateHook(), runner()
    weight = torch.nn.Parameter(torch.zeros(1))
    run.optim_wrapper = OptimWrapper(torch.optim.SGD([weight], lr=1.0), accumulative_counts=2)
    run.optim_wrapper.initialize_count_status(run.model, init_counts=0, max_counts=5)
    moved = []
    for _ in range(5):
        before = weight.item()
        run.optim_wrapper.update_params(weight.sum())
        hook.after_train_iter(run, 0)
        moved.append(weight.item() != before)
    assert moved == [False, True, False, True, True]  # the last with what is left
    assert run.model.calls == [('after_step', each) for each in moved]


def test_retrieval_of_text_guided_pictures_is_refused_before_the_first_step():
    model = DualEncoder.__new__(DualEncoder)
    torch.nn.Module.__init__(model)
    model.towers = torch.nn.Module()
    hook = TrainingStateHook()
    hook.before_train(runner(model=model, val_loop=object(), iter=1))
    model.towers.is_text_guided = True
    hook.before_train(runner(model=model, iter=1))  # without validation
    with pytest.raises(UserError, match='val_dataloader=None'):
        hook.before_train(runner(model=model, val_loop=object(), iter=1))


@pytest.mark.parametrize('resumed', [False, True])
def test_a_training_may_add_what_begins_at_nothing(resumed):
    """Guidance by a question, learned on top of a model that the picture guided."""
    model = torch.nn.ModuleDict(dict(towers=torch.nn.ModuleDict(dict(backbone=torch.nn.Module()))))
    model.towers.backbone.layer = torch.nn.Linear(2, 2)
    checkpoint = dict(state_dict={key: value + 1 for key, value in model.state_dict().items()})
    model.towers.backbone.text_queries = torch.nn.ModuleDict({'2': torch.nn.Linear(2, 2, bias=False)})
    run = SimpleNamespace(model=model, _train_loop=object.__new__(EpochBasedTrainLoop), _resume=resumed)
    if resumed:
        with pytest.raises(UserError, match=r'1 missing: towers\.backbone\.text_queries\.2\.weight'):
            StrictLoadingHook().after_load_checkpoint(run, checkpoint)
    else:
        StrictLoadingHook().after_load_checkpoint(run, checkpoint)
        model.load_state_dict(checkpoint['state_dict'])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def use_progress(stream, monkeypatch):
    monkeypatch.setattr('sys.stdout', stream)
    logger = logging.Logger('progress')
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    hook, run = ProgressHook(), runner(logger=logger, val_dataloader=[0, 1])
    hook.before_run(run)
    hook.before_train(run)
    for number in range(10):
        run.iter = number
        hook.after_train_iter(run, number, outputs=dict(loss=torch.tensor(0.5)))
    hook.before_val_epoch(run)
    hook.after_val_iter(run, 0)
    logger.warning('a line of the log')
    hook.after_val_epoch(run)
    hook.after_run(run)
    assert handler.stream is stream
    return stream.getvalue()


def test_a_terminal_gets_bars_and_keeps_its_log_lines(monkeypatch):
    shown = use_progress(Terminal(), monkeypatch)
    assert '10/10' in shown
    assert 'loss 0.500' in shown
    assert 'a line of the log' in shown


def test_a_log_file_gets_lines_only(monkeypatch):
    assert use_progress(io.StringIO(), monkeypatch) == 'a line of the log\n'


def test_bfloat16_on_cpus_changes_the_forward_pass_alone():
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import DefaultScope

    seen = []
    model = torch.nn.Linear(4, 3)
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    cfg = dict(type='BFloat16OptimWrapper', optimizer=dict(type='SGD', lr=1.0), accumulative_counts=2)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        wrapper = build_optim_wrapper(model, cfg)
    x, before, bias = torch.randn(5, 4), model.weight.detach().clone(), model.bias.detach().clone()
    for _ in range(2):
        with wrapper.optim_context(model):
            loss = model(x).float().square().mean()
        wrapper.update_params(loss)
    assert seen == [torch.bfloat16] * 2
    assert model.weight.dtype == torch.float32
    reference = torch.nn.Linear(4, 3)
    reference.load_state_dict(dict(weight=before, bias=bias))
    reference(x).square().mean().backward()
    # Two equal batches accumulated are one.
    torch.testing.assert_close(before - model.weight, reference.weight.grad, rtol=0.1, atol=0.02)
