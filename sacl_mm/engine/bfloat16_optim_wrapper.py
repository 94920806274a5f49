"""Mixed precision where MMEngine has none: on CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from sacl_mm.registry import OPTIM_WRAPPERS


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
