"""A record of a training's settings, kept in its checkpoints and compared when it is resumed."""

import warnings
from typing import Any

from mmengine.optim import ReduceOnPlateauParamScheduler
from mmengine.runner import Runner

from sacl_mm.functional.distributed import world_size
from sacl_mm.user_error import UserError

_SETTINGS = ('optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr', 'model', 'train_dataloader')
_SCHEDULES = (
    'optim_wrapper.',
    'param_scheduler',
    'train_cfg.',
    'auto_scale_lr',
    'max_iterations',
    'iterations_per_epoch',
)
# The order of samples must not change in the middle of an epoch.
_ORDER = ('samples', 'iterations_per_epoch', 'global_batch_size', 'seed', 'train_dataloader.')
# These do not change what is trained.
_HARMLESS = (
    *('train_cfg.val_interval', 'train_cfg.val_begin', 'train_cfg.type', 'train_cfg.dynamic_intervals'),
    *(
        f'train_dataloader.{name}'
        for name in ('batch_size', 'num_workers', 'persistent_workers', 'prefetch_factor', 'pin_memory', 'timeout')
    ),
)


def training_record(runner: Runner) -> dict[str, Any]:
    """The record: numbers and strings only."""
    loader = runner.train_dataloader
    settings = {key: runner.cfg.get(key) for key in _SETTINGS}
    return dict(
        samples=len(loader.dataset),
        iterations_per_epoch=len(loader),
        max_iterations=runner.max_iters,
        global_batch_size=(loader.batch_size or 0) * world_size(),
        processes=world_size(),
        seed=runner.seed,
        settings={key: value for key, value in _flat(settings).items() if key not in _HARMLESS},
    )


def differences(before: dict[str, Any], now: dict[str, Any]) -> dict[str, str]:
    """What differs between two records, in words, by name."""
    flat_before, flat_now = ({**record, **record['settings']} for record in (before, now))
    names = [name for name in dict.fromkeys([*flat_before, *flat_now]) if name != 'settings']
    return {
        name: f'{name} {flat_before.get(name)} in the checkpoint, {flat_now.get(name)} now'
        for name in names
        if flat_before.get(name) != flat_now.get(name)
    }


def recomputes_schedules(name: str) -> bool:
    """Whether a difference of this name changes learning rates."""
    return name.startswith(_SCHEDULES)


def decides_order(name: str) -> bool:
    """Whether a difference of this name changes the samples or their order."""
    return name.startswith(_ORDER) and not name.endswith(('.data_root', '.img_path'))  # the data may have moved


def _flat(value: Any, name: str = '') -> dict[str, Any]:
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {name: value if isinstance(value, (int, float, str, bool, type(None))) else str(value)}
    return {key: leaf for part, inner in items for key, leaf in _flat(inner, f'{name}.{part}'.lstrip('.')).items()}


def recompute_schedules(runner: Runner, groups: list[dict], iterations: int) -> None:
    """Learning rates and other settings as if the training had had this configuration from its beginning.

    Args:
        groups: the options of the optimizer's parameter groups as they were when the schedulers were built.
        iterations: how many are done.

    Raises:
        UserError: a scheduler follows a metric, whose values are not known any more.
    """
    for group, options in zip(runner.optim_wrapper.param_groups, groups, strict=True):
        group.update(options)
    schedulers = runner.param_schedulers or []
    if any(isinstance(scheduler, ReduceOnPlateauParamScheduler) for scheduler in schedulers):
        raise UserError(
            'param_scheduler: a scheduler that follows a measure cannot be recomputed for other settings: resume with those '
            'of the checkpoint'
        )
    epoch_length = len(runner.train_dataloader)
    warnings.filterwarnings('ignore', 'Detected call of `scheduler.step')  # without steps of the optimizer
    for done in range(1, iterations + 1):
        for scheduler in schedulers:
            if not scheduler.by_epoch:
                scheduler.step()
        if done % epoch_length == 0:
            for scheduler in schedulers:
                if scheduler.by_epoch:
                    scheduler.step()
