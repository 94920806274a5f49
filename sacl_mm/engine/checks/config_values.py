"""Finds values that the runner, its loaders, loops and hooks cannot have, before anything is built."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from mmengine.config import Config

from sacl_mm.user_error import UserError

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_LEVELS = ('CRITICAL', 'FATAL', 'ERROR', 'WARNING', 'WARN', 'INFO', 'DEBUG', 'NOTSET')


class _Rule(NamedTuple):
    """A setting (`*` stands for every key of a dict or entry of a list), what it must be, and that in words."""

    path: str
    fits: Callable[[Any], bool]
    words: str


def _is_built(value: Any) -> bool:
    """Configurations in Python may hold objects that need no building."""
    return not isinstance(value, (dict, list, tuple, set, str, bytes, int, float, type(None)))


def _is_type(value: Any) -> bool:
    return _is_name(value) or callable(value)


def _is_typed(value: Any) -> bool:
    return _is_type(value.get('type')) if isinstance(value, dict) else _is_built(value)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict) or _is_built(value)


def _is_number(value: Any, least: float = -math.inf) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < math.inf


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _at_least(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_count(value: Any) -> bool:
    """MMEngine's loops take 3.0, too."""
    return _is_number(value, 1) and int(value) == value


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (str, bool, type(None))) and value in values


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != '' and '\0' not in value


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_evaluator(value: Any) -> bool:
    if isinstance(value, dict) and 'metrics' in value:
        return _is_evaluator(value['metrics'])
    return all(map(_is_typed, value)) and len(value) > 0 if _is_list(value) else _is_typed(value)


def _is_scheduler(value: Any) -> bool:
    """One, a list, or, with several optimizers, these by the optimizers' names."""
    if isinstance(value, dict) and 'type' not in value:
        return all(map(_is_scheduler, value.values()))
    return all(map(_is_typed, value)) if _is_list(value) else _is_typed(value)


def _is_collate(value: Any) -> bool:
    return _is_typed(value) if isinstance(value, dict) else callable(value)


_TYPED = "a dict with a type, as dict(type='...')"
_RULES = [
    _Rule('model', _is_typed, _TYPED),
    _Rule('data_preprocessor', _is_dict, 'a dict'),
    _Rule('default_scope', _is_name, "a name, as 'sacl_mm'"),
    _Rule('work_dir', _is_name, 'the name of a folder'),
    _Rule('load_from', _is_name, 'the name of a checkpoint, or None'),
    _Rule('feature_cache', _or_none(_is_name), 'the name of a folder, or None'),
    _Rule('policy_for_several_captions', _or_none(_is_name), 'one of --policy, or None'),
    _Rule('resume', _is_bool, 'True or False'),
    _Rule('launcher', _one_of('none', 'pytorch', 'slurm', 'mpi'), "'none', 'pytorch', 'slurm' or 'mpi'"),
    _Rule('experiment_name', _is_name, 'a name'),
    _Rule('log_level', lambda value: value in _LEVELS if isinstance(value, str) else _at_least(0)(value), "as 'INFO'"),
    _Rule('log_processor', _is_dict, 'a dict'),
    _Rule('visualizer', _is_typed, _TYPED),
    _Rule('vis_backends', _is_list, 'a list'),
    _Rule('vis_backends.*', _is_typed, _TYPED),
    _Rule('model_wrapper_cfg', _is_typed, _TYPED),
    _Rule('find_unused_parameters', _is_bool, 'True or False'),
    _Rule('sync_bn', _one_of('torch', 'mmcv'), "'torch' or 'mmcv'"),
    _Rule('randomness', _is_dict, 'a dict, as dict(seed=0)'),
    _Rule(
        'randomness.seed',
        _or_none(lambda seed: _at_least(0)(seed) and seed < 2**32),
        'a whole number from 0 to 2**32 - 1',
    ),
    _Rule('randomness.deterministic', _is_bool, 'True or False'),
    _Rule('randomness.diff_rank_seed', _is_bool, 'True or False'),
    _Rule('env_cfg', _is_dict, 'a dict'),
    _Rule('env_cfg.cudnn_benchmark', _is_bool, 'True or False'),
    _Rule('env_cfg.resource_limit', _at_least(1), 'a whole number of at least 1'),
    _Rule('env_cfg.mp_cfg', _is_dict, 'a dict'),
    _Rule(
        'env_cfg.mp_cfg.mp_start_method',
        _one_of('fork', 'spawn', 'forkserver', None),
        "'fork', 'spawn' or 'forkserver'",
    ),
    _Rule('env_cfg.mp_cfg.opencv_num_threads', _at_least(0), 'a whole number of at least 0'),
    _Rule('env_cfg.dist_cfg', _is_dict, "a dict, as dict(backend='nccl')"),
    _Rule('default_hooks', _is_dict, 'a dict of hooks by name'),
    _Rule('default_hooks.*', _or_none(_is_typed), _TYPED + ', or None'),
    _Rule('default_hooks.logger.interval', _at_least(1), 'a whole number of at least 1'),
    _Rule(
        'default_hooks.checkpoint.interval',
        lambda value: _at_least(1)(value) or value == -1,
        'at least 1, or -1 for never',
    ),
    _Rule('custom_hooks', _is_list, 'a list of hooks'),
    _Rule('custom_hooks.*', _is_typed, _TYPED),
    _Rule('auto_scale_lr', _is_dict, 'a dict, as dict(base_batch_size=512)'),
    _Rule('auto_scale_lr.base_batch_size', _at_least(1), 'a whole number of at least 1'),
    _Rule('auto_scale_lr.enable', _is_bool, 'True or False'),
    _Rule('train_cfg', _is_dict, 'a dict, as dict(by_epoch=True, max_epochs=10)'),
    _Rule('train_cfg.type', _is_type, "the name of a type, as 'EpochBasedTrainLoop'"),
    _Rule('train_cfg.by_epoch', _is_bool, 'True or False'),
    _Rule('train_cfg.max_epochs', _is_count, 'a whole number of at least 1'),
    _Rule('train_cfg.max_iters', _is_count, 'a whole number of at least 1'),
    _Rule('train_cfg.val_interval', _at_least(1), 'a whole number of at least 1'),
    _Rule('train_cfg.val_begin', _at_least(0), 'a whole number of at least 0'),
    _Rule('optim_wrapper', _is_dict, 'a dict, as dict(optimizer=dict(type=...))'),
    _Rule('optim_wrapper.type', _is_type, "the name of a type, as 'OptimWrapper'"),
    _Rule('optim_wrapper.constructor', _is_type, "the name of a type, as 'DefaultOptimWrapperConstructor'"),
    _Rule('optim_wrapper.optimizer', _is_typed, _TYPED),
    _Rule('optim_wrapper.optimizer.lr', lambda value: _is_number(value, 0), 'a number of at least 0'),
    _Rule('optim_wrapper.optimizer.weight_decay', lambda value: _is_number(value, 0), 'a number of at least 0'),
    _Rule('optim_wrapper.accumulative_counts', _at_least(1), 'a whole number of at least 1'),
    _Rule('optim_wrapper.clip_grad', _or_none(_is_dict), 'a dict, as dict(max_norm=1.0)'),
    _Rule('optim_wrapper.clip_grad.max_norm', _is_positive, 'a number above 0'),
    _Rule('optim_wrapper.paramwise_cfg', _or_none(_is_dict), 'a dict'),
    _Rule('param_scheduler', _is_scheduler, _TYPED + ', or a list of them'),
]
for _part in ('val', 'test'):
    _RULES += [
        _Rule(f'{_part}_cfg', _is_dict, 'a dict, as dict()'),
        _Rule(f'{_part}_cfg.type', _is_type, f"the name of a type, as '{_part.capitalize()}Loop'"),
        _Rule(f'{_part}_cfg.fp16', _is_bool, 'True or False'),
        _Rule(f'{_part}_evaluator', _is_evaluator, "a metric, as dict(type='...'), or a list of them"),
    ]
for _part in LOADERS:
    _RULES += [
        _Rule(_part, _is_dict, 'a dict'),
        _Rule(f'{_part}.batch_size', _at_least(1), 'a whole number of at least 1'),
        _Rule(f'{_part}.num_workers', _at_least(0), 'a whole number of at least 0'),
        _Rule(f'{_part}.prefetch_factor', _or_none(_at_least(1)), 'a whole number of at least 1'),
        _Rule(f'{_part}.timeout', lambda value: _is_number(value, 0), 'a number of seconds of at least 0'),
        _Rule(f'{_part}.num_batch_per_epoch', _or_none(_at_least(1)), 'a whole number of at least 1'),
        _Rule(f'{_part}.persistent_workers', _is_bool, 'True or False'),
        _Rule(f'{_part}.pin_memory', _is_bool, 'True or False'),
        _Rule(f'{_part}.drop_last', _is_bool, 'True or False'),
        _Rule(f'{_part}.dataset', _is_typed, _TYPED),
        _Rule(f'{_part}.sampler', _is_typed, _TYPED),
        _Rule(f'{_part}.batch_sampler', _or_none(_is_typed), _TYPED),
        _Rule(f'{_part}.collate_fn', _is_collate, _TYPED),
        _Rule(f'{_part}.worker_init_fn', _is_collate, _TYPED),
    ]


def check_values(cfg: Config) -> None:
    """Stop at the first value that its key cannot have; a top-level None is a key that is not there.

    Values inside registered types are left to these.

    Raises:
        UserError: names the key, its value, and what it must be.
    """
    for rule in _RULES:
        for path, value in _at(cfg, rule.path.split('.')):
            if value is None and '.' not in path:
                continue
            if not rule.fits(value):
                raise UserError(f"the configuration's {path} must be {rule.words}, got {_short(value)}")


def _at(node: Any, keys: list[str], path: str = '') -> list[tuple[str, Any]]:
    """The paths and values that a rule is about; none where a part on the way is missing or built already."""
    if not keys:
        return [(path, node)]
    key, *rest = keys
    if isinstance(node, (list, tuple)):
        inside = dict(enumerate(node)) if key == '*' else {}
    elif isinstance(node, (dict, Config)):
        inside = node if key == '*' else {key: node[key]} if key in node else {}
    else:
        inside = {}
    return [found for name, value in inside.items() for found in _at(value, rest, f'{path}.{name}'.lstrip('.'))]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'
