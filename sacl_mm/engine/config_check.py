"""Finds mistakes in a configuration before anything is built: misspelt keys, impossible values, missing files."""

import functools
import inspect
import os

from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from sacl_mm.engine.config_options import check_options, did_you_mean
from sacl_mm.engine.config_values import LOADERS, check_values
from sacl_mm.user_error import UserError

# Besides the arguments of Runner: what Runner.from_cfg, the tools or mmengine read from a configuration.
_OTHER_KEYS = {
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'overwrite',
    'runner_type',
    'shard',
    'start_from',
    'sync_bn',
}


@functools.cache
def known_keys() -> set[str]:
    return set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | _OTHER_KEYS


def check_config(cfg: Config, options: dict | None = None) -> None:
    """Stop at a top-level key that nearly is a known one, at a key of a part that is no registered type (a data loader,
    `randomness`, ...) that nothing reads, at a value that its key cannot have, and at an override that overrides nothing.

    A configuration may define names of its own (`image_size = 256`), so that only near misses can be mistakes; unknown
    arguments further inside are refused by the classes that get them. Call it on the configuration before `options` (of
    `--cfg-options`) are merged, and without options afterwards.

    Raises:
        UserError: names the key, and the one that was probably meant, or what its value must be.
    """
    known = known_keys()
    for key in cfg:
        hint = '' if key in known else did_you_mean(key, known, cutoff=0.85)
        if hint:
            raise UserError(f"the configuration has '{key}', which nothing reads{hint}")
    for path, readable in _readable_inside().items():
        part = cfg
        for key in path.split('.'):
            part = part.get(key) if isinstance(part, (dict, Config)) else None
        for name in sorted(set(map(str, part if isinstance(part, dict) else ())) - readable):
            raise UserError(
                f"the configuration's {path} has '{name}', which nothing reads{did_you_mean(name, readable)}"
            )
    if options:  # one of which may mend a value
        check_options(cfg, options, known)
    else:
        check_values(cfg)


@functools.cache
def _readable_inside() -> dict[str, set[str]]:
    """What may be in those parts of a configuration that are no registered types."""
    of_loader = set(inspect.signature(DataLoader.__init__).parameters) - {'self'} | {
        'num_batch_per_epoch',
        'disable_subprocess_warning',
    }
    of_processes = set(inspect.signature(set_multi_processing).parameters) - {'distributed'}
    return dict.fromkeys(LOADERS, of_loader) | {
        'randomness': set(inspect.signature(Runner.set_randomness).parameters) - {'self'},
        'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
        'env_cfg.mp_cfg': of_processes,
        'auto_scale_lr': {'base_batch_size', 'enable'},
    }


def check_file(path: str, what: str) -> None:
    """Raises UserError, naming the role of the file, unless it exists or is a remote address."""
    if '://' not in path and not os.path.isfile(path):
        raise UserError(f"{what} '{path}' does not exist")
