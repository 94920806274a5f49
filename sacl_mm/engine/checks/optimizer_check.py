"""Refuses settings of an optimizer with which a training can only diverge or stand still."""

import logging
import math
from collections.abc import Mapping, Sequence

from mmengine.logging import print_log

from sacl_mm.functional.settings import check_count, check_number
from sacl_mm.user_error import UserError

# Those that change each weight by about the learning rate in a step, whatever the gradient. (Prodigy and D-adaptation find
# their own rate, and want 1 here.)
_RATE_IS_STEP = {'Adam', 'AdamW', 'Adamax', 'NAdam', 'RAdam', 'Adan', 'Lion', 'Lamb', 'RMSprop'}
# No optimizer learns beyond this one; LARS is used with up to about 30.
_LARGEST_RATE = 100
_INTERVALS = {
    'weight_decay': '[0, inf)',
    'momentum': '[0, 1)',
    'dampening': '[0, 1]',
    'alpha': '[0, 1)',
    'eps': '[0, inf)',
    'max_norm': '(0, inf)',
    'clip_value': '(0, inf)',
}


def check_optimizer(optim_wrapper: Mapping) -> None:
    """Look at the configuration of an optimizer wrapper: `optimizer`, `clip_grad`, `accumulative_counts`, `paramwise_cfg`.

    A learning rate above 0.1 is warned of where it is the step of each weight (AdamW).

    Raises:
        UserError: names the key of a number that is not finite or out of its range.
    """
    try:
        _check_optimizer(optim_wrapper.get('optimizer'))
        _check_numbers('optim_wrapper.clip_grad', optim_wrapper.get('clip_grad'))
        if 'accumulative_counts' in optim_wrapper:
            check_count('optim_wrapper.accumulative_counts', optim_wrapper['accumulative_counts'])
        _check_multipliers('optim_wrapper.paramwise_cfg', optim_wrapper.get('paramwise_cfg'))
    except ValueError as error:
        raise UserError(str(error)) from None


def _check_optimizer(optimizer: Mapping | None) -> None:
    if not isinstance(optimizer, Mapping):
        return
    where, name = 'optim_wrapper.optimizer', str(optimizer.get('type'))
    is_step = name in _RATE_IS_STEP
    if optimizer.get('lr') is not None:
        check_number(f'{where}.lr', optimizer['lr'], f'(0, {1 if is_step else _LARGEST_RATE})')
        if is_step and optimizer['lr'] > 0.1:
            print_log(
                f'{where}.lr is {optimizer["lr"]}: with {name} each weight changes by about that much in a step, which few '
                'trainings survive (1e-5 to 1e-2 is usual)',
                logger='current',
                level=logging.WARNING,
            )
    _check_numbers(where, optimizer)
    betas = optimizer.get('betas')
    if betas is not None:
        if not isinstance(betas, Sequence) or isinstance(betas, str) or len(betas) < 2:
            raise ValueError(f'{where}.betas must be two numbers in [0, 1), got {betas!r}')
        for beta in betas:
            check_number(f'{where}.betas', beta, '[0, 1)')


def _check_numbers(where: str, settings: Mapping | None) -> None:
    for key, interval in _INTERVALS.items():
        value = settings.get(key) if isinstance(settings, Mapping) else None
        if value is None or (key, value) == (
            'max_norm',
            math.inf,
        ):  # which measures the gradient, and leaves it as it is
            continue
        for number in value if isinstance(value, (tuple, list)) else (value,):  # Adafactor has two eps
            check_number(f'{where}.{key}', number, interval)


def _check_multipliers(where: str, settings: Mapping | None) -> None:
    """Every `*_mult`, also those of `custom_keys`."""
    for key, value in settings.items() if isinstance(settings, Mapping) else ():
        if isinstance(value, Mapping):
            _check_multipliers(f'{where}.{key}', value)
        elif str(key).endswith('_mult'):
            check_number(f'{where}.{key}', value, '[0, inf)')
