"""Schedules, random draws and the teacher's update: everything that depends on which iteration it is."""

import random

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sacl_mm.engine.config_check import UserError
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.registry import HOOKS


@HOOKS.register_module()
class TrainingStateHook(Hook):
    """Makes a training a function of (seed, iteration, weights): a resumed run needs no generator's state.

    * Before training: it stops where a validation could not be done, rather than after an epoch.
    * Before an iteration: Python's, NumPy's and torch's generators are seeded from (seed, rank, iteration), and the model
      is told how far the training is (`set_progress`), from which alpha and other schedules follow.
    * After it: the model's `after_step` updates the queue and, where the optimizer has made a step, the momentum teacher.
      Nothing else does. While gradients are accumulated (`accumulative_counts`) there is nothing new to follow.
    """

    # Before the optimizer's and the logger's hooks see the iteration.
    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        model = _unwrapped(runner.model)
        if runner.val_loop is not None:
            _check_validation(model)
        if runner.iter == 0 and hasattr(model, 'start_teacher'):
            model.start_teacher()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        words = np.random.SeedSequence([runner.seed, runner.rank, runner.iter]).generate_state(3)
        random.seed(int(words[0]))
        np.random.seed(int(words[1]))  # noqa: NPY002  (the generator that mmcv's transforms use)
        torch.manual_seed(int(words[2]))
        _unwrapped(runner.model).set_progress(runner.iter, runner.max_iters, runner.seed)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        _unwrapped(runner.model).after_step(weights_moved=runner.optim_wrapper.should_update())


def _check_validation(model: torch.nn.Module) -> None:
    """Raises UserError for retrieval with pictures that have no features of their own."""
    if isinstance(model, DualEncoder) and getattr(model.towers, 'is_text_guided', False):
        raise UserError(
            "retrieval can't be measured while texts guide what is kept of pictures: set guide='similarity' in the backbone, "
            'or train without validation (val_dataloader=None val_cfg=None val_evaluator=None)'
        )


def _unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    return model.module if is_model_wrapper(model) else model
