"""The base class of all models: one iteration of a training, and strict loading of weights."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor

from sacl_mm.checkpoints.weights import check_finite_weights
from sacl_mm.functional.distributed import average, rank
from sacl_mm.models.finite_steps import FiniteSteps
from sacl_mm.models.starting_weights import TRAINING_STATE, fit_to_task
from sacl_mm.models.strict_loading import begun_anew, fit, some
from sacl_mm.user_error import UserError

# Set in MMEngine's message hub by the hook that makes checkpoints readable (`PlainCheckpointHook`).
CHECKPOINTS_ARE_DATA = 'checkpoints_are_data'
# State that only a new training may start afresh; the reference model is read from its own file.
_CARRIED_OVER = tuple(part for part in TRAINING_STATE if part != 'reference.')


class VisionLanguageModel(BaseModel):
    """MMEngine's `BaseModel` with teacher, queue, schedules and exact resuming, under any Runner and any hooks.

    An iteration (`train_step`) is a function of (seed, iteration, weights, batch), so a resumed training is exact:

    1. Python's, NumPy's and torch's generators are seeded from (seed, rank, iteration), and `set_progress` sets how far the
       training is. At iteration 0 `start_teacher` makes the teacher equal to the student.
    2. Loss and optimizer step, as in `BaseModel`.
    3. A loss that is not finite ends the training (`FiniteSteps`).
    4. `after_step` updates teacher and queue. Nothing else does.

    Loading is strict: `adapt_checkpoint` may convert the checkpoint of another task; then every key has to fit. Parts that the
    checkpoint lacks keep their initial values. That is right only when a training starts: a test refuses to predict with them,
    and a resumed training refuses to continue without its teacher and queue.

    A subclass implements `loss(batch)`, `predict(batch)` and `_forward(batch)`; `batch` is the dict that its data preprocessor
    returns.
    """

    def __init__(self, data_preprocessor: BaseModel | dict) -> None:
        super().__init__(data_preprocessor)
        self.iteration, self.progress, self.seed = 0, 0.0, 0
        self.allowed_to_differ: tuple[str, ...] = ()
        self._anew: list[str] = []
        self._finite_steps = FiniteSteps()
        self._is_stepping = self._has_started = self._progress_is_set = False

    # ------------------------------------------------------------------------------------------------ modes
    def forward(self, mode: str = 'tensor', **batch: Any) -> Any:
        """'loss': a dict of losses and diagnostics; 'predict': the data samples with predictions; 'tensor': `_forward`."""
        if mode == 'loss':
            return self.loss(batch)
        if mode == 'predict':
            self._check_trained()
            return self.predict(batch)
        if mode == 'tensor':
            return self._forward(batch)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def loss(self, batch: dict) -> dict[str, Tensor]:
        raise NotImplementedError

    def predict(self, batch: dict) -> list:
        raise NotImplementedError

    def _forward(self, batch: dict) -> Any:
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ an iteration
    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One iteration; returns the values to log, means over all processes."""
        return self.around_step(super().train_step, data, optim_wrapper)

    def around_step(self, step: Callable, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """An iteration around `step(data, optim_wrapper)`, which computes the loss and steps the optimizer; a distributed
        wrapper passes its own."""
        self._begin_step()
        self._is_stepping = True
        try:
            logged = step(data, optim_wrapper)
        finally:
            self._is_stepping = False
        is_finite = self._finite_steps.check(logged, self.iteration, data, optim_wrapper)
        self.after_step(weights_moved=is_finite and optim_wrapper.should_update(), is_finite=is_finite)
        return logged

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """As in MMEngine, but logged values are means over all processes."""
        if not self._is_stepping and _trained_by_runner():
            raise UserError(
                "the model's train_step is passed by, so that teacher, queue and schedules would stand still: several "
                "processes need model_wrapper_cfg=dict(type='sacl_mm.VisionLanguageDDP')"
            )
        loss, logged = super().parse_losses(losses)
        self._finite_steps.local = {name: value.detach() for name, value in logged.items()}
        means = average(torch.stack([value.detach().float() for value in logged.values()]))
        return loss, dict(zip(logged, means.unbind(), strict=True))

    def set_progress(self, iteration: int, max_iterations: int, seed: int) -> None:
        """Called before each training step; schedules and random draws depend on these values alone."""
        self.iteration, self.seed = iteration, seed
        self.progress = min(1.0, iteration / max(1, max_iterations - 1))
        self._progress_is_set = True

    @property
    def step_seed(self) -> int:
        """The seed of this iteration's keyed random draws (`sacl_mm.functional.keyed_random`)."""
        return self.seed * 1_000_003 + self.iteration

    def start_teacher(self) -> None:
        """Make the teacher, if there is one, equal to the student."""

    def after_step(self, weights_moved: bool = True, is_finite: bool = True) -> None:
        """The one place where state without gradients changes: teacher and queue.

        Args:
            weights_moved: False while gradients are accumulated.
            is_finite: False after a step that the loss scaler skipped; its features may be NaN.
        """

    def _begin_step(self) -> None:
        if _trained_by_runner():
            hub = MessageHub.get_current_instance()
            if not hub.runtime_info.get(CHECKPOINTS_ARE_DATA):
                raise UserError(
                    'the checkpoints of this Runner hold pickled objects, which could not be read again: set runner_type = '
                    "'sacl_mm.ResumableRunner', or custom_hooks = [dict(type='sacl_mm.PlainCheckpointHook')]"
                )
            iteration, max_iterations, seed = (hub.get_info(name) for name in ('iter', 'max_iters', 'seed'))
            if self._has_started and iteration == self.iteration:
                raise UserError(
                    f"the training's iteration stands still at {iteration}: default_hooks.runtime_info must not be None"
                )
            self.set_progress(iteration, max_iterations, seed)
        elif not self._progress_is_set:
            raise UserError(
                'nobody says how far the training is: without a Runner of MMEngine call '
                'model.set_progress(iteration, max_iterations, seed) before each train_step'
            )
        self._progress_is_set = False
        words = np.random.SeedSequence([self.seed, rank(), self.iteration]).generate_state(3)
        random.seed(int(words[0]))
        np.random.seed(int(words[1]))  # noqa: NPY002  (the generator that mmcv's transforms use)
        torch.manual_seed(int(words[2]))
        if self.iteration == 0:
            self.start_teacher()
        elif not self._has_started:
            self._check_carried_over()
        self._anew, self._has_started = [], True

    # ------------------------------------------------------------------------------------------------ weights
    def adapt_checkpoint(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the state dict of another model: parts that this model lacks are dropped; teacher, queue and reference start
        afresh."""
        return fit_to_task(state, self.state_dict())

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        if not prefix:  # else the model is part of another one (an average of models), which has its own rules
            own, given = self.state_dict(), dict(state_dict)
            fitted = fit(self.adapt_checkpoint(given), own, self.allowed_to_differ)
            check_finite_weights(fitted, 'the checkpoint')
            self._anew = begun_anew(given, own)
            state_dict.clear()
            state_dict.update(fitted)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _check_carried_over(self) -> None:
        lost = [key for key in self._anew if key.startswith(_CARRIED_OVER)]
        if lost:
            raise UserError(
                f'the training goes on at iteration {self.iteration}, but its checkpoint lacks {some(lost)} or has them in '
                'another shape: go on with the model.momentum and model.queue_size that it began with, or begin a new '
                'training from its weights (load_from)'
            )

    def _check_trained(self) -> None:
        untrained = [key for key in self._anew if not key.startswith((*TRAINING_STATE, *self.allowed_to_differ))]
        if untrained and not self.training:
            raise UserError(
                f'the checkpoint does not fit the model; {len(untrained)} missing: {some(untrained)}. It is of another task, '
                'from which a training may start (load_from); a test would measure random weights'
            )


def _trained_by_runner() -> bool:
    """Whether a Runner of MMEngine is training right now."""
    return MessageHub.get_current_instance().runtime_info.get('loop_stage') == 'train'
