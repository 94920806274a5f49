"""Additions to MMEngine's optimizer wrappers: bfloat16 on CPUs, models with frozen parts, gradients in a checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIMIZERS
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from sacl_mm.build_errors import unknown_type
from sacl_mm.functional.distributed import average
from sacl_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS
from sacl_mm.user_error import UserError


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """MMEngine's `OptimWrapper` with the forward pass in bfloat16, on whatever device the model is; weights stay float32.

    bfloat16 has float32's range, so that losses need no scaling. MMEngine's `AmpOptimWrapper` refuses CPUs, where it pays
    for models of some width (AMX or AVX512-BF16) and costs time for very narrow ones.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


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


@torch.no_grad()
def accumulated_gradients(model: nn.Module) -> dict[str, Tensor]:
    """The gradients by parameter, means over all processes; all processes must call it.

    Before a step each process holds its own part. As the step uses the mean of all parts, each process may continue with the
    mean.
    """
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    if any(isinstance(gradient, DTensor) for gradient in gradients.values()):
        raise UserError(
            'a checkpoint between two steps of the optimizer cannot be sharded: optim_wrapper.accumulative_counts must divide '
            'the iterations of an epoch'
        )
    return {name: average(gradient).cpu() for name, gradient in gradients.items()}


@torch.no_grad()
def restore_gradients(model: nn.Module, gradients: dict[str, Tensor]) -> None:
    """Set the gradients that `accumulated_gradients` returned."""
    weights = dict(model.named_parameters())
    for name, gradient in gradients.items():
        weights[name].grad = gradient.to(weights[name].device)
