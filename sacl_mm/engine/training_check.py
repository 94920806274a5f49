"""What can be known to fail is said before the first iteration, not after an epoch."""

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.user_error import UserError


def check_training(runner: Runner) -> None:
    """Raises UserError where a training, or a validation of it, could not be done."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if runner.val_loop is not None and isinstance(model, DualEncoder) and model.towers.is_text_guided:
        raise UserError(
            "retrieval can't be measured while texts guide what is kept of images: set guide='similarity' in the backbone, "
            'or train without validation (val_dataloader=None val_cfg=None val_evaluator=None)'
        )
