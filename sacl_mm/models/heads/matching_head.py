"""Image-text matching (ITM)."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.functional.distributed import mean_over_processes
from sacl_mm.functional.settings import check_count
from sacl_mm.registry import MODELS


@MODELS.register_module()
class MatchingHead(BaseModule):
    """Two logits from the fused [CLS]: does not match, matches (ALBEF, arXiv 2107.07651, Sec. 3.2)."""

    def __init__(self, width: int = 768) -> None:
        super().__init__()
        check_count('width', width)
        self.width = width
        self.classifier = nn.Linear(width, 2)

    def forward(self, fused_BLC: Tensor) -> Tensor:
        return self.classifier(fused_BLC[:, 0])

    def loss(self, fused_BLC: Tensor, matches_B: Tensor, weight_B: Tensor) -> dict[str, Tensor]:
        """Cross entropy, the weighted mean over all processes' pairs."""
        each_B = F.cross_entropy(self(fused_BLC).float(), matches_B.long(), reduction='none')
        return dict(loss_itm=mean_over_processes((each_B * weight_B).sum(), weight_B.sum()))
