import io
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from sacl_mm.engine import PlainCheckpointHook, ProgressHook, TolerantLoadingHook
from sacl_mm.user_error import UserError


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


def runner(**changes):
    values = dict(iter=0, max_iters=10, seed=3, rank=0, epoch=0, max_epochs=2, logger=logging.getLogger('test'))
    return SimpleNamespace(**values | changes)


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


def test_models_of_other_libraries_are_loaded_strictly_but_for_what_is_allowed():
    model = torch.nn.ModuleDict(dict(body=torch.nn.Linear(2, 2), head=torch.nn.Linear(2, 2)))
    checkpoint = dict(state_dict={key: value + 1 for key, value in model.state_dict().items() if 'head' not in key})
    run = SimpleNamespace(model=model)
    with pytest.raises(UserError, match=r'2 missing: head\.'):
        TolerantLoadingHook().after_load_checkpoint(run, checkpoint)
    TolerantLoadingHook(allow=['head.']).after_load_checkpoint(run, checkpoint)
    model.load_state_dict(checkpoint['state_dict'])
