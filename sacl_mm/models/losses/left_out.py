"""The loss's warnings, one of them for a learned temperature that no optimizer holds."""

import logging
import sys
import warnings
import weakref
from functools import cache
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

# The losses that are watched, and the optimizers that have made a step without them.
_watched: weakref.WeakKeyDictionary[nn.Module, set[int]] = weakref.WeakKeyDictionary()


def warn(message: str) -> None:
    """In MMEngine's log if that is in use, else as a Python warning."""
    mmengine = sys.modules.get('mmengine.logging')
    if mmengine is None:
        warnings.warn(message, stacklevel=3)
    else:
        mmengine.print_log(message, logger='current', level=logging.WARNING)


def warn_if_left_out(loss: nn.Module) -> None:
    """Warn once if an optimizer makes its second step without the loss's `log_temperature`, which has a gradient, and no
    optimizer that holds it has made one in between."""
    _look_at_every_step()
    _watched[loss] = set()


@cache
def _look_at_every_step() -> None:
    register_optimizer_step_post_hook(_look)


def _look(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for loss, others in list(_watched.items()):
        temperature = loss.get_parameter('log_temperature')
        if any(parameter is temperature for group in optimizer.param_groups for parameter in group['params']):
            del _watched[loss]
        elif temperature.grad is not None and id(optimizer) in others:
            del _watched[loss]
            warn(
                f'the optimizer does not hold the parameters of {type(loss).__name__}: its learned temperature stays at '
                f"{temperature.exp().item():g}, its gradient is never zeroed, and processes' temperatures drift apart. "
                'Give the optimizer [*model.parameters(), *loss.parameters()], or fix the temperature '
                "(temperature_bounds=None), or pass the model's own logit_scale"
            )
        elif temperature.grad is not None:
            others.add(id(optimizer))
