"""A learned temperature that no optimizer holds is noticed."""

import logging
import weakref
from functools import cache
from typing import Any

from mmengine.logging import print_log
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

# The losses that are watched, and the optimizers that have made a step without them.
_watched: weakref.WeakKeyDictionary[nn.Module, set[int]] = weakref.WeakKeyDictionary()


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
            print_log(
                f'the optimizer does not hold the parameters of {type(loss).__name__}: its learned temperature stays at '
                f"{temperature.exp().item():g}, its gradient is never zeroed, and processes' temperatures drift apart. "
                'Give the optimizer [*model.parameters(), *loss.parameters()], or fix the temperature '
                "(temperature_bounds=None), or pass the model's own logit_scale",
                logger='current',
                level=logging.WARNING,
            )
        elif temperature.grad is not None:
            others.add(id(optimizer))
