"""Finds mistakes in a configuration before anything is built: misspelt keys, impossible values, parts that are missing."""

import functools
import inspect
from typing import Any

from mmengine.config import Config
from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from sacl_mm.build_errors import unknown_type
from sacl_mm.engine.checks.config_options import check_options
from sacl_mm.engine.checks.config_values import LOADERS, check_values
from sacl_mm.user_error import UserError, did_you_mean

# Besides the arguments of Runner: what Runner.from_cfg, the tools or mmengine read from a configuration.
_OTHER_KEYS = {
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'feature_cache',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'overwrite',
    'policy_for_several_captions',
    'runner_type',
    'shard',
    'start_from',
    'sync_bn',
}
# What MMEngine's Runner wants together, and each loop's length.
_TOGETHER = {
    'train': ('train_dataloader', 'train_cfg', 'optim_wrapper'),
    'val': ('val_dataloader', 'val_cfg', 'val_evaluator'),
    'test': ('test_dataloader', 'test_cfg', 'test_evaluator'),
}
_LENGTHS = {'EpochBasedTrainLoop': 'max_epochs', 'IterBasedTrainLoop': 'max_iters'}


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
    """The known keys of parts of a configuration that are not registered types."""
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


def check_parts(cfg: Config, stage: str) -> None:
    """Call it after `check_config`, on a whole configuration.

    Args:
        stage: what is to be done, 'train' or 'test'.

    Raises:
        UserError: names the part that is missing, or the two that exclude each other.
    """
    if cfg.get('model') is None:
        raise UserError('the configuration has no model')
    for name, keys in _TOGETHER.items():
        missing = [key for key in keys if cfg.get(key) is None]
        if missing and (name == stage or len(missing) < len(keys)):
            there = [key for key in keys if key not in missing]
            having = f' beside {" and ".join(there)}' if there else f', which {name}ing needs'
            raise UserError(f'the configuration has no {" and no ".join(missing)}{having}')
    if cfg.get('param_scheduler') and cfg.get('optim_wrapper') is None:
        raise UserError('the configuration has a param_scheduler, but no optim_wrapper')
    _check_train_loop(cfg.get('train_cfg'))
    optim_wrapper = cfg.get('optim_wrapper')
    if isinstance(optim_wrapper, dict) and not {'optimizer', 'constructor'} & set(optim_wrapper):
        raise UserError("the configuration's optim_wrapper has no optimizer, as dict(type='AdamW', lr=1e-4)")
    for name in LOADERS:
        if isinstance(cfg.get(name), dict):
            _check_loader(name, cfg[name])
            _check_functions(cfg[name], cfg.get('default_scope'))


def _check_train_loop(loop: Any) -> None:
    if not isinstance(loop, dict):
        return
    if 'type' not in loop and 'by_epoch' not in loop:
        raise UserError("the configuration's train_cfg needs type='EpochBasedTrainLoop', or by_epoch=True")
    kind = loop.get('type') or ('EpochBasedTrainLoop' if loop['by_epoch'] else 'IterBasedTrainLoop')
    length = _LENGTHS.get(str(kind).rpartition('.')[2])
    if length and length not in loop:
        raise UserError(f"the configuration's train_cfg has no {length}")


def _check_loader(name: str, loader: dict) -> None:
    batch_sampler = loader.get('batch_sampler') is not None
    for key in ('dataset', 'sampler', *(['batch_size'] if batch_sampler else [])):
        if key not in loader:
            raise UserError(f"the configuration's {name} has no {key}")
    excluded = 'batch_sampler' if batch_sampler else 'sampler'
    for key in ('shuffle', 'drop_last') if batch_sampler else ('shuffle',):
        if loader.get(key):
            raise UserError(f"the configuration's {name} has {key} beside a {excluded}: give it to the {excluded}")
    if not loader.get('num_workers', 0):
        for key in ('persistent_workers', 'prefetch_factor', 'timeout'):
            if loader.get(key):
                raise UserError(
                    f"the configuration's {name} has {key}={loader[key]} with num_workers=0: "
                    f'leave {key} out, or set num_workers to at least 1'
                )


def _check_functions(loader: dict, scope: str | None) -> None:
    """MMEngine looks these up, but not whether it found them."""
    with FUNCTIONS.switch_scope_and_registry(scope) as registry:
        for key in ('collate_fn', 'worker_init_fn'):
            function = loader.get(key)
            name = function.get('type') if isinstance(function, dict) else None
            if isinstance(name, str) and registry.get(name) is None:
                raise UserError(unknown_type(name, registry))
