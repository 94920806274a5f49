"""Checks of the weights that a run starts from and of those that it saves."""

import copy
import os

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from sacl_mm.checkpoints.weights import check_finite_weights, read_state_dict
from sacl_mm.functional.distributed import largest
from sacl_mm.user_error import NonFiniteError, UserError

_NAMED = 5
# Batch norm's counters, which converted files lack, and what begins as if it were not there.
_DISPENSABLE = ('num_batches_tracked', 'text_queries')


def check_checkpoint(path: str | os.PathLike, what: str) -> dict[str, Tensor] | None:
    """The weights, left on the disk until they are looked at; None of a remote file, which is left to MMEngine.

    Args:
        what: the role of the file, for the message.

    Raises:
        UserError: there is no such file, it cannot be read as data, or it holds no dict of weights.
    """
    if '://' in os.fspath(path):
        return None
    try:
        return read_state_dict(os.path.expanduser(path), what, in_place=True)
    except FileNotFoundError as error:
        raise UserError(str(error)) from None


def check_pretrained_parts(model: nn.Module) -> None:
    """MMEngine warns of weights that such a file lacks, and goes on with random ones; a frozen part would stay random.

    Files are loaded into copies, so that the parts' own adaptions (of position embeddings, say) count; remote ones are left
    to MMEngine. More than a part needs may be in a file.

    Raises:
        UserError: names the file, the part, and what is missing, of another shape, or not finite.
    """
    checked = set()
    for name, part in model.named_modules():
        found = getattr(part, 'init_cfg', None) or []
        for options in [found] if isinstance(found, dict) else found:
            if options.get('type') != 'Pretrained' or '://' in options['checkpoint']:
                continue
            start = (type(part), options['checkpoint'], options.get('prefix'))
            if start not in checked:  # a momentum teacher's part is a copy of the student's
                _check(part, name or type(part).__name__, *start[1:])
            checked.add(start)


def _check(part: nn.Module, name: str, path: str, prefix: str | None) -> None:
    what = f"'{path}', from which {name} is to start,"
    try:
        state = read_state_dict(os.path.expanduser(path), f'start of {name}:')
    except FileNotFoundError as error:
        raise UserError(str(error)) from None
    start = f'{prefix.removesuffix(".")}.' if prefix else ''  # as MMEngine takes it
    own = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
    check_finite_weights(own, what)
    try:
        missing = copy.deepcopy(part).load_state_dict(own, strict=False).missing_keys
    except RuntimeError as error:  # shapes
        raise UserError(f'{what} does not fit: {" ".join(str(error).split())}') from None
    missing = [key for key in missing if not any(kind in key for kind in _DISPENSABLE)]
    if missing:
        listed = ', '.join(missing[:_NAMED]) + (', ...' if len(missing) > _NAMED else '')
        first = f'; its first key is {next(iter(state))}' if state else ''
        raise UserError(f'{what} does not fit: with prefix={prefix!r} it lacks {len(missing)} weights: {listed}{first}')


@torch.no_grad()
def check_weights(model: nn.Module, purpose: str) -> None:
    """Of a model, whole or sharded; all processes must call it, and all of them raise.

    A gradient may overflow while the loss is finite: the weights tell.

    Args:
        purpose: what would be done with the weights ('saved'), for the message.

    Raises:
        NonFiniteError: names the first of them.
    """
    tensors = {
        name: tensor.to_local() if isinstance(tensor, DTensor) else tensor
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if tensor.is_floating_point() and tensor.numel()
    }
    if not tensors:
        return
    finite = torch.stack([tensor.isfinite().all() for tensor in tensors.values()])
    if not largest(int(not bool(finite.all())), finite.device):
        return
    wrong = [name for name, is_finite in zip(tensors, finite.tolist(), strict=True) if not is_finite]
    named = f': {", ".join(wrong[:3])}{", ..." if len(wrong) > 3 else ""}' if wrong else ' on another process'
    raise NonFiniteError(
        f'{len(wrong) or "some"} of the weights are NaN or infinite{named}. They are not {purpose}; the last checkpoint is '
        'from before. A lower learning rate or optim_wrapper.clip_grad may help; --resume goes on from that checkpoint'
    )
