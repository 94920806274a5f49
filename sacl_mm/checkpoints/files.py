"""Reading checkpoint files as data."""

import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sacl_mm.checkpoints.torchscript import is_torchscript, read_torchscript_tensors

_UNSUPPORTED = re.compile(r'Unsupported (global: GLOBAL \S+|operand \d+)')
_UNDER = ('state_dict', 'model')  # MMEngine's and ALBEF's; others save the state dict itself


def read_plain(path: str | Path, in_place: bool = False) -> Any:
    """What a checkpoint of PyTorch holds, on the CPU; no code in it is run.

    Args:
        in_place: leave tensors on the disk until they are looked at, which only the newer of PyTorch's two formats can.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, or holds more than tensors and plain values; the message is the reason.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"checkpoint '{path}' does not exist")
    try:
        return torch.load(str(path), map_location='cpu', weights_only=True, mmap=in_place and zipfile.is_zipfile(path))
    except Exception as error:  # garbage that is unpickled raises any
        raise ValueError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """In a few words; PyTorch's many advise to load the file with the code in it."""
    unsupported = _UNSUPPORTED.search(str(error))
    if unsupported:
        return unsupported[0]
    lines = str(error).splitlines() if isinstance(error, RuntimeError) else []
    return (lines or [type(error).__name__])[0]


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint; no code in it is run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds more than tensors and plain values, or no tensors at all.
    """
    if Path(path).is_file() and is_torchscript(path):
        return read_torchscript_tensors(path)
    try:
        checkpoint = read_plain(path)
    except ValueError as error:
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
