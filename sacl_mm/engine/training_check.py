"""What can be known to fail is said before the first iteration, not after an epoch."""

from mmengine.evaluator import Evaluator
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sacl_mm.engine.loader_check import check_loaders
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
    """Raises UserError if a metric needs of the data what they do not have."""
    for metric in evaluator.metrics:
        check_dataset(metric, dataset)
