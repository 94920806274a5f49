"""Parts of a model that start from a file of their own, `init_cfg=dict(type='Pretrained', checkpoint=..., prefix=...)`."""

import copy
import os

from torch import Tensor, nn

from sacl_mm.checkpoints.files import read_plain
from sacl_mm.engine.config_check import UserError

_NAMED = 5
# Batch norm's counters, which converted files lack, and what begins as if it were not there.
_DISPENSABLE = ('num_batches_tracked', 'text_queries')


def check_pretrained_parts(model: nn.Module) -> None:
    """MMEngine warns of weights that such a file lacks, and goes on with random ones; a frozen part would stay random.

    Files are loaded into copies, so that the parts' own adaptions (of position embeddings, say) count; remote ones are left
    to MMEngine. More than a part needs may be in a file.

    Raises:
        UserError: names the file, the part, and what is missing or of another shape.
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
    if not os.path.isfile(path):
        raise UserError(f'{what} does not exist')
    state = {key.removeprefix('module.'): value for key, value in _read(path, what).items()}
    own = {key.removeprefix(prefix or ''): value for key, value in state.items() if key.startswith(prefix or '')}
    try:
        missing = copy.deepcopy(part).load_state_dict(own, strict=False).missing_keys
    except RuntimeError as error:  # shapes
        raise UserError(f'{what} does not fit: {" ".join(str(error).split())}') from None
    missing = [key for key in missing if not any(kind in key for kind in _DISPENSABLE)]
    if missing:
        listed = ', '.join(missing[:_NAMED]) + (', ...' if len(missing) > _NAMED else '')
        first = f'; its first key is {next(iter(state))}' if state else ''
        raise UserError(f'{what} does not fit: with prefix={prefix!r} it lacks {len(missing)} weights: {listed}{first}')


def _read(path: str, what: str) -> dict[str, Tensor]:
    """As MMEngine finds them."""
    try:
        checkpoint = read_plain(path)
    except ValueError:
        raise UserError(f'{what} is no checkpoint of PyTorch, or holds more than tensors and plain values') from None
    state = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else {}
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}
