"""Checkpoints that are data, never code: loadable with `torch.load(weights_only=True)`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from sacl_mm.models.vision_language_model import CHECKPOINTS_ARE_DATA
from sacl_mm.registry import HOOKS

_HISTORY = ('values', 'counts', 'max_length')


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Writes MMEngine's run-time state as plain Python values and tensors, and reads it back without running any of it.

    MMEngine 0.10.7 pickles `HistoryBuffer` objects (with bound methods) and NumPy scalars into every checkpoint. torch >= 2.6
    refuses to load these unless it may run code from the checkpoint, so MMEngine's runs can be saved there but not resumed.
    """

    def before_train(self, runner: Runner) -> None:
        runner.message_hub.update_info(CHECKPOINTS_ARE_DATA, True, resumed=False)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint.get('meta', {}).update(getattr(runner, 'position', {}))
        if getattr(runner, 'gradients', None):
            checkpoint['gradients'] = runner.gradients
        for part in ('meta', 'message_hub', 'param_schedulers'):
            if part in checkpoint:
                checkpoint[part] = _to_plain(checkpoint[part], part)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint.get('meta', {}).pop('config', None)  # MMEngine's `resume` would run it as Python
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for name, plain in scalars.items():
            if isinstance(plain, dict) and set(plain) == set(_HISTORY):
                scalars[name] = HistoryBuffer(plain['values'].numpy(), plain['counts'].numpy(), plain['max_length'])


def _to_plain(value: Any, where: str) -> Any:
    """Builtin containers, numbers, strings and tensors only.

    Raises:
        TypeError: names the place of anything else.
    """
    if isinstance(value, np.generic):  # first: np.float64 is a float, too
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str, bytes, torch.Tensor)):
        return value
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        # `from_numpy` would share, and so save, the whole storage.
        return dict(values=torch.tensor(values), counts=torch.tensor(counts), max_length=int(value.max_length))
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, Mapping):
        return {key: _to_plain(item, f'{where}.{key}') for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_to_plain(item, f'{where}[{number}]') for number, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    raise TypeError(f'{where} is a {type(value).__name__}, which a checkpoint that is data only cannot hold')
