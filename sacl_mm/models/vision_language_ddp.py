"""Models on several processes."""

from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor

from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class VisionLanguageDDP(MMDistributedDataParallel):
    """MMEngine's wrapper bypasses the model's `train_step`; this one keeps the model's work before and after a step."""

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One iteration, as in the model."""
        if not isinstance(self.module, VisionLanguageModel):
            return super().train_step(data, optim_wrapper)
        return self.module.around_step(super().train_step, data, optim_wrapper)
