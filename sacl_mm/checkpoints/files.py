"""Reading checkpoint files as data."""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from sacl_mm.checkpoints.torchscript import is_torchscript, read_torchscript_tensors

_UNDER = ('state_dict', 'model')  # MMEngine's and ALBEF's; others save the state dict itself


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint; no code in it is run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds more than tensors and plain values, or no tensors at all.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"checkpoint '{path}' does not exist")
    if is_torchscript(path):
        return read_torchscript_tensors(path)
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"'{path}' is not read: it is no checkpoint of PyTorch, or holds more than tensors and plain values, which could "
            'run code. If you trust its origin, load it yourself and save its state dict alone'
        ) from error
    state = next((checkpoint[key] for key in _UNDER if isinstance(checkpoint, dict) and key in checkpoint), checkpoint)
    tensors = (
        {key: value for key, value in state.items() if isinstance(value, Tensor)} if isinstance(state, dict) else {}
    )
    if not tensors:
        raise ValueError(f"'{path}' holds no state dict")
    return tensors
