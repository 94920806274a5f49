"""The tensors of a TorchScript archive (such as OpenAI's CLIP files), read as data: nothing of its code is loaded or run.

`torch.load(weights_only=True)` refuses these archives and `torch.jit.load` compiles their code.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

_DTYPES = {
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'FloatStorage': torch.float32,
    'DoubleStorage': torch.float64,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'BoolStorage': torch.bool,
}


def is_torchscript(path: str | Path) -> bool:
    """Whether the file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith('/constants.pkl') for name in archive.namelist())


def read_torchscript_tensors(path: str | Path) -> dict[str, Tensor]:
    """Parameters and buffers by name, as `torch.jit.load(path).state_dict()` has them.

    Raises:
        ValueError: the archive holds something that this reader does not know.
    """
    with zipfile.ZipFile(path) as archive:
        root = next(name for name in archive.namelist() if name.endswith('/constants.pkl')).rpartition('/')[0]
        try:
            module = _TensorUnpickler(archive, root).load()
        except (pickle.UnpicklingError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"cannot read the tensors of the TorchScript archive '{path}': {error}") from error
    if not isinstance(module, _Module):
        raise ValueError(f"the TorchScript archive '{path}' holds no module")
    tensors: dict[str, Tensor] = {}
    _collect(module, '', tensors)
    return tensors


class _Module:
    """Stands for a module of any class; pickle calls `__setstate__` with its attributes."""

    attributes: dict

    def __setstate__(self, attributes: dict) -> None:
        self.attributes = attributes


class _TensorUnpickler(pickle.Unpickler):
    """Knows modules, tensors and plain values; every other name in the archive is an error."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f'{root}/data.pkl')))
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> object:
        if module.split('.')[0] == '__torch__':
            return _Module
        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return _rebuild
        if module == 'torch' and name in _DTYPES:
            return _DTYPES[name]
        if module == 'torch.jit._pickle':  # typed lists
            return list
        raise pickle.UnpicklingError(f'{module}.{name} is not among the types that are read')

    def persistent_load(self, saved_id: tuple) -> Tensor:
        _, dtype, key, _, count = saved_id
        content = bytearray(self._archive.read(f'{self._root}/data/{key}'))
        return torch.frombuffer(content, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)


def _rebuild(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: object) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _collect(module: _Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    for name, value in module.attributes.items():
        if isinstance(value, _Module):
            _collect(value, f'{prefix}{name}.', tensors)
        elif isinstance(value, Tensor):
            tensors[prefix + name] = value
