"""From a run of a grid to the configuration file that `tools/train.py` is given, and to its hash."""

import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

from mmengine.config import Config
from runs import Run
from variants import CHECKPOINT

from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.user_error import UserError

ROOT = Path(__file__).resolve().parents[2]
# What is trained and measured: hooks and logs may change without a record becoming void. The seed is recorded beside the hash.
_COUNTS = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'val_evaluator',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'custom_hooks',
)


def config_hash(run: Run, parent: str | None) -> str:
    """The same for runs that differ only in seed, work dir and where the data lie.

    Args:
        parent: the hash of the run that it comes after.

    Raises:
        UserError: as `config_text`.
    """
    config = Config({key: _without_folders(value) for key, value in _base(run.config).items()})
    config.merge_from_dict(_settings(run))
    counts = {key: value for key, value in config.to_dict().items() if key in _COUNTS}
    text = json.dumps([counts, parent], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def config_text(run: Run, checkpoint: Path | None) -> str:
    """A configuration that inherits from the run's and sets its options.

    Args:
        checkpoint: of the run that it comes after.

    Raises:
        UserError: the configuration is wrong, or an option is inside a list.
    """
    settings = {**_settings(run), 'randomness': dict(seed=run.seed)}
    lines = [f'"""{run.name}."""\n', f'_base_ = [{str(ROOT / run.config)!r}]']
    lines += [f'{key} = {_filled(value, str(checkpoint))!r}' for key, value in settings.items()]
    return '\n'.join(lines) + '\n'


def needs_checkpoint(run: Run) -> bool:
    """Whether an option names the checkpoint of another run."""
    return CHECKPOINT in json.dumps(run.options, default=str)


@functools.cache
def _base(config: str) -> dict[str, Any]:
    # Without the environment, which says where data and weights lie: so records can be read on another machine.
    with mock.patch.dict(os.environ, clear=True):
        return config_from_file(os.path.relpath(ROOT / config)).to_dict()


def _settings(run: Run) -> dict[str, Any]:
    """The options as nested dicts; one with a `type` deletes what it replaces."""
    settings: dict[str, Any] = {}
    for key, value in run.options.items():
        *parts, last = key.split('.')
        if (parts or [last])[0] not in (*_COUNTS, 'load_from'):  # whose run is hashed itself, see `config_hash`
            raise UserError(
                f"{run.name}: option '{key}' would not tell its record from others; what does: {', '.join(_COUNTS)}"
            )
        place, theirs = settings, _base(run.config)
        for part in parts:
            place, theirs = place.setdefault(part, {}), theirs.get(part, {})
            if not isinstance(theirs, dict):
                raise UserError(f"{run.name}: option '{key}': '{part}' of {run.config} is no dict: set it wholly")
        # MMEngine would leave _delete_ in where there is nothing to delete.
        replaces = isinstance(value, dict) and 'type' in value and isinstance(theirs.get(last), dict)
        place[last] = {'_delete_': True, **value} if replaces else value
    return settings


def _filled(value: Any, checkpoint: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, checkpoint) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(inner, checkpoint) for inner in value)
    return value.replace(CHECKPOINT, checkpoint) if isinstance(value, str) else value


def _without_folders(value: Any) -> Any:
    """Of absolute paths only the last part: the data may lie elsewhere on another machine."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(inner) for inner in value]
    return os.path.basename(value.rstrip('/')) if isinstance(value, str) and os.path.isabs(value) else value
