"""Loading is strict: what may differ all the same is named."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sacl_mm.models.strict_loading import fit
from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import HOOKS


@HOOKS.register_module()
class TolerantLoadingHook(Hook):
    """Names parts that a checkpoint need not fit: a new stage's fusion encoder, for instance.

    Args:
        allow: beginnings of the keys that may be missing (then the model's own stay), unknown or of another shape (then
            they are not read), e.g. `['matching_head.']`.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allow = tuple(allow)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if isinstance(model, VisionLanguageModel):
            model.allowed_to_differ = self.allow
        else:  # a model of another library, which `ResumableRunner` loads strictly, too
            checkpoint['state_dict'] = fit(checkpoint['state_dict'], model.state_dict(), self.allow)
