"""Checks of a training when its data are read, before the first iteration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.evaluator import Evaluator
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from sacl_mm.evaluation import check_dataset
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.user_error import UserError


def check_training(runner: Runner) -> None:
    """Builds the loops with their data, and logs what is odd about them.

    Raises:
        UserError: a training, or a validation of it, could not be done.
    """
    for line in check_loaders(runner):
        runner.logger.warning(line)
    if not any(isinstance(hook, CheckpointHook) for hook in runner.hooks):
        runner.logger.warning(
            'default_hooks.checkpoint is None: nothing of this training is saved, also not on a signal'
        )
    if runner.val_loop is None:
        return
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if isinstance(model, DualEncoder) and getattr(model.towers, 'is_text_guided', False):
        raise UserError(
            "retrieval can't be measured while texts guide what is kept of images: set guide='similarity' in the backbone, "
            'or train without validation (val_dataloader=None val_cfg=None val_evaluator=None)'
        )
    check_measures(runner.val_loop.evaluator, runner.val_loop.dataloader.dataset)


def check_measures(evaluator: Evaluator, dataset) -> None:
    """Raises UserError if the data lack what a metric needs."""
    for metric in evaluator.metrics:
        check_dataset(metric, dataset)


@dataclass(frozen=True)
class LoaderSize:
    """A data loader in numbers.

    Args:
        name: its key in the configuration.
        samples: of the data set.
        batch_size: of one process.
        per_epoch: samples of one process in an epoch; None for a sampler that never ends.
        drop_last: whether an incomplete last batch is left out.
    """

    name: str
    samples: int
    batch_size: int
    per_epoch: int | None
    drop_last: bool = False

    @classmethod
    def of(cls, name: str, loader: DataLoader) -> 'LoaderSize | None':
        """None for data sets and samplers that do not know their length."""
        batches = loader.batch_sampler
        try:
            samples, per_epoch = len(loader.dataset), len(loader.sampler)
        except TypeError:
            return None
        batch_size = loader.batch_size or getattr(batches, 'batch_size', None)  # None beside a batch sampler
        if batch_size is None:
            return None
        endless = isinstance(loader.sampler, InfiniteSampler)
        return cls(
            name, samples, batch_size, None if endless else per_epoch, bool(getattr(batches, 'drop_last', False))
        )


def check_training_data(size: LoaderSize, world_size: int = 1, queue_size: int = 0) -> list[str]:
    """Warnings about the training's data.

    Args:
        queue_size: of the model's queue of negatives; 0 for none.

    Raises:
        UserError: there are none, no batch can be filled, or the queue cannot hold one.
    """
    _check_not_empty(size)
    if size.drop_last and size.per_epoch is not None and size.per_epoch < size.batch_size:
        each = f' for each of {world_size} processes ({size.samples:,} in all)' if world_size > 1 else ''
        raise UserError(
            f'{size.name}: {size.per_epoch:,} images{each} < batch_size {size.batch_size:,}, and drop_last leaves an '
            'incomplete batch out: nothing would be trained. Make batch_size smaller, or set drop_last=False'
        )
    gathered = size.batch_size * world_size
    if 0 < queue_size < gathered:
        processes = f' x {world_size} processes' if world_size > 1 else ''
        raise UserError(
            f"the model's queue of {queue_size:,} cannot take a batch of {gathered:,} ({size.name}.batch_size "
            f'{size.batch_size:,}{processes}): make queue_size at least {gathered:,}, or batch_size smaller'
        )
    warnings = []
    if gathered == 1 and queue_size == 0:
        warnings.append(
            f'{size.name}: in a batch of one image a contrastive loss has no negatives and is 0: make it larger'
        )
    elif (
        world_size == 1 and size.per_epoch is not None and not size.drop_last and size.per_epoch % size.batch_size == 1
    ):
        warnings.append(
            f'{size.name}: the last batch of each epoch holds one image (of {size.per_epoch:,}, batch_size '
            f'{size.batch_size:,}): set drop_last=True'
        )
    return warnings


def check_measured_data(size: LoaderSize) -> list[str]:
    """Warnings about the data of a validation or test.

    Raises:
        UserError: there are none.
    """
    _check_not_empty(size)
    if size.samples == 1:
        return [f'{size.name} has a single image: what is measured among one image is always right']
    lost = (size.per_epoch or 0) % size.batch_size
    if size.drop_last and lost:
        return [f'{size.name}: drop_last leaves {lost:,} of {size.per_epoch:,} images out: they are not measured']
    return []


def check_schedules(schedules: Iterable[Mapping[str, Any]], epochs: int, iterations: int) -> list[str]:
    """Warnings about schedules of the learning rate that end after the training does, or would begin after it.

    Args:
        schedules: their configurations.
        epochs, iterations: of the whole training.
    """
    warnings = []
    for schedule in schedules:
        by_epoch = schedule.get('by_epoch', True)
        length, unit = (epochs, 'epochs') if by_epoch else (iterations, 'iterations')
        for key, words in (('begin', 'never begins'), ('end', 'is not completed')):
            value = schedule.get(key)
            if isinstance(value, int) and value >= length + (key == 'end'):
                name = getattr(schedule['type'], '__name__', schedule['type'])
                warnings.append(
                    f'param_scheduler {name} {words}: its {key} is {value:,}, the training has {length:,} {unit}'
                )
                break
    return warnings


def check_loaders(runner: Runner) -> list[str]:
    """Build the runner's loops for training, with their data, and check them; call it before `runner.train()`.

    Returns:
        Warnings, each in one line.

    Raises:
        UserError: what would be wrong at the first iteration, or leave none.
    """
    loop, warnings = runner.train_loop, []
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    queue = getattr(model, 'queue', None)
    train = LoaderSize.of('train_dataloader', loop.dataloader)
    if train is not None:
        warnings += check_training_data(train, runner.world_size, getattr(queue, 'size', 0))
    if runner.val_loop is not None:
        val = LoaderSize.of('val_dataloader', runner.val_loop.dataloader)
        warnings += check_measured_data(val) if val is not None else []
    warnings += check_schedules(_schedules(runner.param_schedulers), loop.max_epochs, loop.max_iters)
    accumulated = runner.cfg.get('optim_wrapper', {}).get('accumulative_counts', 1)
    if accumulated > loop.max_iters:
        warnings.append(
            f'optim_wrapper: accumulative_counts {accumulated:,} > {loop.max_iters:,} iterations: the weights are updated once'
        )
    return warnings


def _schedules(given: Any) -> list[Mapping[str, Any]]:
    """Of MMEngine's forms of `param_scheduler` (None, one, a list, these by optimizer) those that are not built yet."""
    if isinstance(given, Mapping):
        return [given] if 'type' in given else [part for parts in given.values() for part in _schedules(parts)]
    return [part for part in given or () if isinstance(part, Mapping)] if isinstance(given, (list, tuple)) else []


def _check_not_empty(size: LoaderSize) -> None:
    if size.samples == 0:
        raise UserError(f'{size.name} has no images: is its data set what you meant?')
