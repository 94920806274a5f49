"""Masked language modelling (MLM) with the image's help. Shapes: T masked positions, C width, V vocabulary."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.functional.distributed import mean_over_processes
from sacl_mm.functional.settings import check_count
from sacl_mm.registry import MODELS


@MODELS.register_module()
class MaskedLanguageHead(BaseModule):
    """BERT's prediction head, tied to the word embeddings, applied at the masked positions only."""

    def __init__(self, width: int = 768, vocab_size: int = 30522) -> None:
        super().__init__()
        check_count('width', width)
        check_count('vocab_size', vocab_size)
        self.width = width
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=1e-12))
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, fused_TC: Tensor, words_VC: Tensor) -> Tensor:
        """Logits (T, V) from the fused tokens and the word embeddings."""
        return F.linear(self.transform(fused_TC), words_VC, self.bias)

    def loss(
        self, fused_TC: Tensor, words_VC: Tensor, target_T: Tensor, soft_TV: Tensor | None = None, share: float = 0.0
    ) -> dict[str, Tensor]:
        """Cross entropy, the mean over all processes' positions; a `share` of the target is the teacher's distribution
        `soft_TV`."""
        log_probability_TV = self(fused_TC, words_VC).float().log_softmax(dim=1)
        each_T = F.nll_loss(log_probability_TV, target_T, reduction='none')
        if soft_TV is not None:
            each_T = (1 - share) * each_T - share * (soft_TV * log_probability_TV).sum(dim=1)
        return dict(loss_mlm=mean_over_processes(each_T.sum(), each_T.new_tensor(len(each_T))))
