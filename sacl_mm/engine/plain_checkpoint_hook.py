"""Checkpoints that are data, never code: loadable with `torch.load(weights_only=True)`."""

import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from sacl_mm.registry import HOOKS


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Writes MMEngine's log histories as plain tensors, and reads them back.

    MMEngine 0.10.7 pickles `HistoryBuffer` objects (with bound methods) into every checkpoint, which torch >= 2.6 refuses
    to load unless it may run whatever a checkpoint contains; so its runs can be saved but not resumed there.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        hub = checkpoint['message_hub']
        hub['log_scalars'] = {name: _to_plain(buffer) for name, buffer in hub['log_scalars'].items()}
        # An OrderedDict subclass or a ConfigDict would name a class in the file.
        hub['runtime_info'] = dict(hub['runtime_info'])
        hub['resumed_keys'] = dict(hub['resumed_keys'])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for name, plain in scalars.items():
            if isinstance(plain, dict):
                scalars[name] = _from_plain(plain)


def _to_plain(buffer: HistoryBuffer) -> dict:
    values, counts = buffer.data
    # Copies: `from_numpy` would share, and save, the whole storage.
    return dict(values=torch.tensor(values), counts=torch.tensor(counts), max_length=buffer.max_length)


def _from_plain(plain: dict) -> HistoryBuffer:
    return HistoryBuffer(plain['values'].numpy(), plain['counts'].numpy(), plain['max_length'])
