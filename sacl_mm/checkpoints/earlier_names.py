"""Checkpoints from before the models' parts got OpenMMLab's names."""

import re
from collections.abc import Sequence

from torch import Tensor

from sacl_mm.checkpoints.key_map import Converted

_NEW_NAMES = {
    r'towers\.backbone\.': 'towers.vision_backbone.',
    r'towers\.text_encoder\.': 'towers.text_backbone.',
    r'fusion\.': 'multimodal_backbone.',
}


def from_earlier_names(state: dict[str, Tensor], allow: Sequence[str] = ()) -> Converted:
    """The state dict of one of this library's models, with today's names.

    Args:
        allow: beginnings of keys to leave out.

    Raises:
        ValueError: no key has an earlier name.
    """
    if not has_earlier_names(state):
        raise ValueError('none of its tensors has an earlier name: it needs no conversion')
    left_out = [key for key in state if key.startswith(tuple(allow))]
    return Converted({_current(key): value for key, value in state.items() if key not in left_out}, left_out)


def has_earlier_names(state: dict[str, Tensor]) -> bool:
    return any(_current(key) != key for key in state)


def _current(key: str) -> str:
    for old, new in _NEW_NAMES.items():
        key = re.sub(rf'^((?:teacher\.|reference\.)?){old}', rf'\g<1>{new}', key)
    return key
