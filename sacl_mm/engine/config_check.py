"""Finds mistakes in a configuration before anything is built: misspelt keys, missing files."""

import difflib
import inspect
import os

from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

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


def known_keys() -> set[str]:
    return set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | _OTHER_KEYS


def check_config(cfg: Config, options: dict | None = None) -> None:
    """Stop at a top-level key that nearly is a known one, at a key of a data loader or of `randomness` that nothing reads, and
    at an override that overrides nothing.

    A configuration may define names of its own (`image_size = 256`), so that only near misses can be mistakes; unknown
    arguments further inside are refused by the classes that get them. Call it on the configuration before `options` (of
    `--cfg-options`) are merged, and without options afterwards.

    Raises:
        UserError: names the key, and the one that was probably meant.
    """
    known = known_keys()
    for key in cfg:
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.85)
        if key not in known and close:
            raise UserError(f"the configuration has '{key}', which nothing reads; did you mean '{close[0]}'?")
    for key, readable in _readable_inside().items():
        part = cfg.get(key)
        for name in set(part if isinstance(part, dict) else ()) - readable:
            close = difflib.get_close_matches(name, readable, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ''
            raise UserError(f"the configuration's {key} has '{name}', which nothing reads{hint}")
    for option in options or {}:
        first = option.split('.')[0]
        if first not in cfg and first not in known:
            close = difflib.get_close_matches(first, known | set(cfg), n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ''
            raise UserError(f"--cfg-options {option}: the configuration has no '{first}'{hint}")
        _check_path(cfg, option)


def _readable_inside() -> dict[str, set[str]]:
    """What may be in those parts of a configuration that are no registered types."""
    of_loader = set(inspect.signature(DataLoader.__init__).parameters) - {'self'} | {'num_batch_per_epoch'}
    of_randomness = set(inspect.signature(Runner.set_randomness).parameters) - {'self'}
    loaders = dict.fromkeys(('train_dataloader', 'val_dataloader', 'test_dataloader'), of_loader)
    return loaders | dict(randomness=of_randomness)


def _check_path(cfg: Config, option: str) -> None:
    """Every key on the way to the last one must exist: overriding would otherwise make a new branch that nothing reads. The
    last one may be new, but not a near miss of one that is there."""
    node, path = cfg, []
    for key in option.split('.')[:-1]:
        path.append(key)
        if isinstance(node, (list, tuple)):
            if not key.isdigit() or int(key) >= len(node):
                raise UserError(
                    f"--cfg-options {option}: '{'.'.join(path[:-1])}' is a list of {len(node)}, it has no '{key}'"
                )
            node = node[int(key)]
            continue
        if not isinstance(node, dict | Config) or key not in node:
            if len(path) == 1:  # a known key of Runner that this configuration leaves at its default
                return
            where = '.'.join(path[:-1])
            close = difflib.get_close_matches(key, list(node) if isinstance(node, dict) else [], n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ''
            raise UserError(f"--cfg-options {option}: '{where}' has no '{key}'{hint}")
        node = node[key]
        if node is None:
            return
    last = option.split('.')[-1]
    close = difflib.get_close_matches(last, list(node), n=1, cutoff=0.85) if isinstance(node, dict) else []
    if close and last not in node:
        raise UserError(f"--cfg-options {option}: '{'.'.join(path)}' has no '{last}'; did you mean '{close[0]}'?")


def check_file(path: str, what: str) -> None:
    """Raises UserError, naming the role of the file, unless it exists or is a remote address."""
    if '://' not in path and not os.path.isfile(path):
        raise UserError(f"{what} '{path}' does not exist")
