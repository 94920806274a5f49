"""Masked language modelling (MLM) with the picture's help. Shapes: T masked positions, C width, V vocabulary."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.functional.settings import check_count
from sacl_mm.layers.cpu_kernels import cpu_kernels
from sacl_mm.layers.recomputation import recomputed_activations
from sacl_mm.layers.tied_embedding import TiedEmbedding
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

    def forward(self, fused_TC: Tensor, words: Tensor | TiedEmbedding) -> Tensor:
        """Logits (T, V); `words`: the embeddings (V, C), in training rather tied."""
        with cpu_kernels(fused_TC), recomputed_activations():
            hidden_TC = self.transform(fused_TC)
            if isinstance(words, TiedEmbedding):
                return words.linear(hidden_TC, self.bias)
            return F.linear(hidden_TC, words, self.bias)

    def loss(
        self,
        fused_TC: Tensor,
        words: Tensor | TiedEmbedding,
        target_T: Tensor,
        soft_TV: Tensor | None = None,
        share: float = 0.0,
    ) -> Tensor:
        """Cross entropy of each position, (T,); a `share` of the target is the teacher's distribution `soft_TV`."""
        log_probability_TV = self(fused_TC, words).float().log_softmax(dim=1)
        hard_T = F.nll_loss(log_probability_TV, target_T, reduction='none')
        if soft_TV is None:
            return hard_T
        return (1 - share) * hard_T - share * (soft_TV * log_probability_TV).sum(dim=1)
