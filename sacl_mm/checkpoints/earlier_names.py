"""Checkpoints from before parts of the models got the names that OpenMMLab has for them."""

import re

from torch import Tensor

_NEW_NAMES = {
    r'towers\.backbone\.': 'towers.vision_backbone.',
    r'towers\.text_encoder\.': 'towers.text_backbone.',
    r'fusion\.': 'multimodal_backbone.',
}


def to_current_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of one of this library's models with the names of today; names of today stay."""
    return {_current(key): value for key, value in state.items()}


def _current(key: str) -> str:
    for old, new in _NEW_NAMES.items():
        key = re.sub(rf'^((?:module\.)?(?:teacher\.|reference\.)?){old}', rf'\g<1>{new}', key)
    return key
