"""CLIP's activation."""

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
        scaled = F.silu(1.702 * x)
        node = scaled.grad_fn
        out = scaled / 1.702
        return out if node is None else recomputable(out, lambda: F.silu(node._saved_self) / 1.702)
