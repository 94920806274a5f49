"""Checkpoint files are read as data, and loaded strictly except for the parts that a configuration names."""

import os
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader, Runner

from sacl_mm.checkpoints.files import read_plain
from sacl_mm.checkpoints.weights import UNDER, weights_of
from sacl_mm.models.strict_loading import fit
from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import HOOKS


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: object = None) -> dict[str, Any]:
    """Reads local checkpoint files for MMEngine: `load_from`, `--resume`, `init_cfg` and hooks.

    Takes the place of MMEngine's loader of local files once this package is imported.

    Files are verified and read as data, whatever PyTorch's default is. Weights are under 'state_dict', without the prefixes
    of wrappers. `meta['config']` is left out: MMEngine's `resume` would execute it.

    Args:
        map_location: ignored; tensors are on the CPU, and loading copies them to the model's device.

    Raises:
        FileNotFoundError, CheckpointError: as `read_plain` and `weights_of`.
    """
    path = os.path.expanduser(filename)
    checkpoint = read_plain(path)
    weights = weights_of(checkpoint, f"checkpoint '{path}'")
    rest = {key: value for key, value in checkpoint.items() if key not in UNDER} if set(UNDER) & set(checkpoint) else {}
    if isinstance(rest.get('meta'), dict):
        rest['meta'] = {key: value for key, value in rest['meta'].items() if key != 'config'}
    return rest | dict(state_dict=weights)


@HOOKS.register_module()
class TolerantLoadingHook(Hook):
    """Names parts that a checkpoint need not fit, such as the fusion encoder of a new stage.

    Args:
        allow: prefixes of keys that may be missing (the model's own stay), unknown or of another shape (they are not read),
            e.g. `['matching_head.']`.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow = tuple(allow)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if isinstance(model, VisionLanguageModel):
            model.allowed_to_differ = self.allow
        else:  # a model of another library, which `ResumableRunner` loads strictly, too
            checkpoint['state_dict'] = fit(checkpoint['state_dict'], model.state_dict(), self.allow)
