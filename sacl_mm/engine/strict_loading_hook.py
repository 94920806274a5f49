"""Nothing is silently left out when weights are loaded."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import Tensor

from sacl_mm.engine.config_check import UserError
from sacl_mm.models.starting_weights import fit_to_task, mismatches, neutral_parts
from sacl_mm.registry import HOOKS

_NAMED = 5


@HOOKS.register_module()
class StrictLoadingHook(Hook):
    """Stops at a checkpoint (`load_from`, `--resume`, `tools/test.py`) that does not fit the model; MMEngine would warn and
    go on with random weights.

    Where a training starts, the model may adapt the checkpoint of another task first (`adapt_checkpoint`: new heads begin
    with random weights). A test leaves out what only training needs, and never gets random weights. A resumed training
    takes its checkpoint as it is, teacher and queue included.

    Args:
        allow: beginnings of the keys that may be missing (then the model's own stay), unknown or of another shape (then
            they are not read), e.g. `['matching_head.']`.

    Raises:
        UserError: lists what does not fit.
    """

    # Before hooks that look at what was loaded.
    priority = 'VERY_HIGH'

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow = tuple(allow)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state = checkpoint.get('state_dict', checkpoint)
        state = {key.removeprefix('module.'): value for key, value in state.items()}
        own = model.state_dict()
        training = isinstance(runner._train_loop, BaseLoop)
        if training and not runner._resume:
            if hasattr(model, 'adapt_checkpoint'):
                state = model.adapt_checkpoint(state)
            state = state | neutral_parts(state, own)
        elif not training:
            state = fit_to_task(state, own)
        if self.allow:
            state = {
                key: value
                for key, value in state.items()
                if not key.startswith(self.allow) or (key in own and own[key].shape == value.shape)
            }
            state |= {key: value for key, value in own.items() if key.startswith(self.allow) and key not in state}
        where = getattr(runner, '_load_from', None) or 'the checkpoint'
        try:
            check_fits(state, own, where)
        except UserError as error:
            raise UserError(
                f'{error} To load the rest all the same, name beginnings of the keys: custom_hooks = [..., '
                "dict(type='StrictLoadingHook', allow=['fusion.'])]"
            ) from None
        checkpoint['state_dict'] = state


def check_fits(state: dict[str, Tensor], own: dict[str, Tensor], where: str) -> None:
    """Raises UserError, listing what does not fit, unless `state` (from `where`) can be loaded in place of `own`."""
    problems = {kind: keys for kind, keys in mismatches(state, own).items() if keys}
    if problems:
        lines = [
            f'{len(keys)} {kind}: ' + ', '.join(keys[:_NAMED]) + (', ...' if len(keys) > _NAMED else '')
            for kind, keys in problems.items()
        ]
        raise UserError(f'{where} does not fit the model; ' + '; '.join(lines) + '. Is it of this configuration?')
