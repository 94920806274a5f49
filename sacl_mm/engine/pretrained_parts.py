"""Parts of a model that start from a file of their own, `init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)`."""

import copy
import os

from torch import nn

from sacl_mm.checkpoints.weights import check_finite_weights, read_state_dict
from sacl_mm.user_error import UserError

_NAMED = 5
# Batch norm's counters, which converted files lack, and what begins as if it were not there.
_DISPENSABLE = ('num_batches_tracked', 'text_queries')


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
