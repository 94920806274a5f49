"""CLIP's activation."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.layers.recomputation import recomputable
from sacl_mm.registry import MODELS


@MODELS.register_module()
class QuickGELU(nn.Module):
    """x sigmoid(1.702 x), the activation of CLIP's checkpoints.

    mmpretrain's keeps three tensors of the size of `x` for the backward pass; this one, written as a scaled SiLU, keeps one.
    """

    def forward(self, x: Tensor) -> Tensor:
        activated = F.silu(1.702 * x)
        if torch.compiler.is_compiling():
            return activated / 1.702
        node: Any = activated.grad_fn
        return recomputable(activated / 1.702, lambda: F.silu(node._saved_self) / 1.702)
