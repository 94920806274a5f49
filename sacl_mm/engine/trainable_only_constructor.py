"""The optimizer's view of a model that contains frozen ones."""

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIMIZERS
from torch import nn

from sacl_mm.engine.build_errors import unknown_type
from sacl_mm.engine.config_check import UserError
from sacl_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableOnlyConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor (`paramwise_cfg` and all), without the parts of the model that are frozen as a whole.

    The default one warns once per parameter of the teacher and of the reference model, and hands them to the optimizer.
    Parameters that modules share (`PairedFusionEncoder`) are taken once.
    """

    def __call__(self, model: nn.Module):
        name = self.optimizer_cfg.get('type')
        if isinstance(name, str) and OPTIMIZERS.get(name) is None:  # which MMEngine would call
            raise UserError(unknown_type(name, OPTIMIZERS))
        if self.paramwise_cfg:
            self.paramwise_cfg.setdefault('bypass_duplicate', True)
        return super().__call__(model)

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        if any(parameter.requires_grad for parameter in module.parameters()):
            super().add_params(params, module, prefix=prefix, **kwargs)
