"""Strict loading of weights: nothing is left out silently."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from sacl_mm.checkpoints.earlier_names import has_earlier_names
from sacl_mm.models.starting_weights import mismatches, neutral_parts
from sacl_mm.user_error import UserError

_NAMED = 5


class MisfitError(UserError):
    """A checkpoint that does not fit the model; lists what does not."""


def check_fits(state: Mapping[str, Tensor], own: Mapping[str, Tensor], where: str = 'the checkpoint') -> None:
    """Raises MisfitError, listing what does not fit, unless `state` (from `where`) can be loaded in place of `own`."""
    problems = {kind: keys for kind, keys in mismatches(dict(state), dict(own)).items() if keys}
    if problems:
        lines = [f'{len(keys)} {kind}: {some(keys)}' for kind, keys in problems.items()]
        raise MisfitError(f'{where} does not fit the model; ' + '; '.join(lines) + f'. {advice(state)}')


def advice(state: Mapping[str, Tensor]) -> str:
    """What may be wrong with a state dict that does not fit."""
    if has_earlier_names(dict(state)):
        return 'It is from before parts were renamed: convert it with tools/model_converters/convert.py from-earlier'
    return 'Is it of this configuration?'


def fit(adapted: Mapping[str, Tensor], own: Mapping[str, Tensor], allowed: Sequence[str] = ()) -> dict[str, Tensor]:
    """The state dict to load: `adapted`, completed by the model's `own` neutral parts.

    Args:
        adapted: a checkpoint, adapted to the model's task.
        allowed: prefixes of keys that may be missing (the model's own stay), unknown or of another shape (they are not read).

    Raises:
        MisfitError: something else does not fit.
    """
    starts = tuple(allowed) or ('\0',)
    state = dict(adapted) | neutral_parts(dict(adapted), dict(own))
    state = {
        key: value
        for key, value in state.items()
        if not key.startswith(starts) or (key in own and own[key].shape == value.shape)
    }
    state |= {key: value for key, value in own.items() if key.startswith(starts) and key not in state}
    check_fits(state, own)
    return state


def begun_anew(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """The model's keys that a checkpoint, before it was adapted, lacks or holds in another shape; without neutral parts.

    Position embeddings are resized, so their length does not count.
    """
    neutral = neutral_parts(dict(given), dict(own))
    return [
        key
        for key, value in own.items()
        if key not in neutral
        and (
            key not in given
            or given[key].shape[-1:] != value.shape[-1:]
            or (given[key].shape != value.shape and not key.endswith('pos_embed'))
        )
    ]


def some(keys: Sequence[str]) -> str:
    return ', '.join(keys[:_NAMED]) + (', ...' if len(keys) > _NAMED else '')
