"""MMEngine's reading of checkpoint files: `load_from`, `--resume`, `init_cfg` and whatever a hook loads."""

import os
from typing import Any

from mmengine.runner import CheckpointLoader

from sacl_mm.checkpoints.files import read_plain
from sacl_mm.checkpoints.weights import UNDER, weights_of


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: object = None) -> dict[str, Any]:
    """Takes the place of MMEngine's loader of local files once this package is imported.

    Files are verified and read as data, whatever PyTorch's default is. Weights are under 'state_dict', without the prefixes
    of wrappers. `meta['config']` is left out: MMEngine's `resume` would execute it.

    Args:
        map_location: without effect: tensors are on the CPU, and whoever loads them moves them.

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
