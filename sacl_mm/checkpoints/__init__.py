"""Checkpoints as data: reading files, finding the weights in them, and other projects' layouts as this library's and back."""

from sacl_mm.checkpoints.albef import albef_to_ours, ours_to_albef
from sacl_mm.checkpoints.clip import clip_to_vision_transformer
from sacl_mm.checkpoints.earlier_names import from_earlier_names, has_earlier_names
from sacl_mm.checkpoints.files import CheckpointError, read_plain, verify_checkpoint
from sacl_mm.checkpoints.key_map import Converted
from sacl_mm.checkpoints.weights import check_finite_weights, read_state_dict, weights_of

__all__ = [
    'CheckpointError',
    'Converted',
    'albef_to_ours',
    'check_finite_weights',
    'clip_to_vision_transformer',
    'from_earlier_names',
    'has_earlier_names',
    'ours_to_albef',
    'read_plain',
    'read_state_dict',
    'verify_checkpoint',
    'weights_of',
]
