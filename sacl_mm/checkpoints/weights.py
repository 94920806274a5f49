"""The weights of a model in a checkpoint of any usual layout."""

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from sacl_mm.checkpoints.files import CheckpointError, read_plain
from sacl_mm.user_error import NonFiniteError

# Where a checkpoint has its state dict: MMEngine and Lightning; ALBEF, DeiT and fairseq; PyTorch's tutorials; DeepSpeed.
UNDER = ('state_dict', 'model', 'model_state_dict', 'module')
# What wraps a module adds to the names of its weights: DataParallel in front, torch.compile, FSDP and checkpointing anywhere.
_ANYWHERE = '_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module'
_WRAPPERS = re.compile(rf'^((module|{_ANYWHERE})\.)+|(?<=\.)({_ANYWHERE})\.')
_NAMED = 3


def read_state_dict(path: str | os.PathLike, what: str = 'checkpoint', in_place: bool = False) -> dict[str, Tensor]:
    """`weights_of` a file; arguments and errors as in `read_plain`."""
    return weights_of(read_plain(path, what, in_place), f"{what} '{os.fspath(path)}'")


def weights_of(checkpoint: Any, where: str) -> dict[str, Tensor]:
    """The state dict of a model: bare, or under one of `UNDER`; names as those of the plain module.

    Args:
        checkpoint: what a file holds.
        where: the file, for messages.

    Raises:
        CheckpointError: it holds something else, or tensors that are no weights.
    """
    state = checkpoint
    while isinstance(state, Mapping):
        inside = next((key for key in UNDER if key in state and not isinstance(state[key], Tensor)), None)
        if inside is None:
            break
        where, state = f"{where}, under '{inside}',", state[inside]
    if not isinstance(state, Mapping):
        raise CheckpointError(f'{where} holds {_kind(state)}, not a dict of weights')
    if not state:
        raise CheckpointError(f'{where} holds an empty dict, no weights')
    if set(state) >= {'state', 'param_groups'}:
        raise CheckpointError(f'{where} holds the state of an optimizer, not the weights of a model')
    others = [f'{key!r} ({_kind(value)})' for key, value in state.items() if not _is_weight(key, value)]
    if others:
        few = 'no weights' if len(others) == len(state) else 'more than weights'
        raise CheckpointError(f'{where} holds {few}: {_listed(others)}; save the state dict of the model alone')
    return _unwrapped(state, where)


def check_finite_weights(state: Mapping[str, Tensor], where: str) -> None:
    """Raises NonFiniteError, naming tensors, if a weight is NaN or infinite: every score would be NaN."""
    wrong = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
    if wrong:
        raise NonFiniteError(
            f'{where} has NaN or infinity in {len(wrong)} of {len(state)} tensors: {_listed(wrong)}; its training has '
            'diverged: take an earlier checkpoint'
        )


def weights_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types and values: the same for the same weights in another file."""
    total = hashlib.sha256()
    for name, value in sorted(state.items()):
        array = value.detach().cpu().contiguous().reshape(-1)
        total.update(f'{name} {array.dtype} {tuple(value.shape)}'.encode())
        total.update(array.view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _is_weight(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor) and _is_whole(value)


def _is_whole(value: Tensor) -> bool:
    """Whether all elements are there: a few bytes can stand for any number of elements (`expand`), or for none (meta)."""
    if value.layout is not torch.strided or value.is_meta or value.is_quantized:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _unwrapped(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    names = {key: _WRAPPERS.sub('', key) for key in state}
    if len(set(names.values())) < len(names):
        origin: dict[str, str] = {}
        twice = next((origin[name], key) for key, name in names.items() if origin.setdefault(name, key) != key)
        raise CheckpointError(f'{where} holds two weights of one name: {twice[0]!r} and {twice[1]!r}')
    return {names[key]: value for key, value in state.items()}


def _kind(value: Any) -> str:
    if value is None:
        return 'None'
    if isinstance(value, Tensor):
        return 'a tensor' if _is_whole(value) else 'a tensor that is sparse, quantized, or has no elements of its own'
    name = type(value).__name__
    return f'{"an" if name[0] in "aeiou" else "a"} {name}'


def _listed(names: Collection[str]) -> str:
    return ', '.join(list(names)[:_NAMED]) + (', ...' if len(names) > _NAMED else '')
