"""Other projects' checkpoints in this library's layout, and back: pure functions of dicts of tensors."""

from sacl_mm.checkpoints.albef import albef_to_ours, ours_to_albef
from sacl_mm.checkpoints.clip import clip_to_vision_transformer
from sacl_mm.checkpoints.files import read_state_dict
from sacl_mm.checkpoints.key_map import Converted

__all__ = ['Converted', 'albef_to_ours', 'clip_to_vision_transformer', 'ours_to_albef', 'read_state_dict']
