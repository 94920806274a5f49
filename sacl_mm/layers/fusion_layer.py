"""A BERT layer with cross-attention to an image."""

import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.layers.attention import CrossAttention, KeyValue, SelfAttention


class FusionLayer(nn.Module):
    """Self-attention, cross-attention, feed-forward; each followed by dropout, residual and LayerNorm (BERT's order).

    Args:
        width: of the text tokens.
        image_width: of the image tokens.
        heads: attention heads.
        hidden: width of the feed-forward part.
        causal: tokens see only those before them (a decoder's layer).
    """

    def __init__(
        self, width: int, image_width: int, heads: int, hidden: int, dropout: float = 0.0, causal: bool = False
    ) -> None:
        super().__init__()
        self.self_attention = SelfAttention(width, heads, dropout, causal)
        self.self_attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.cross_attention = CrossAttention(width, image_width, heads, dropout)
        self.cross_attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLC: Tensor, mask_BL: Tensor, key_value: KeyValue, key_mask_BN: Tensor | None = None) -> Tensor:
        """`key_mask_BN` is False where the other sequence is padded; pictures are not."""
        x_BLC = self.self_attention_norm(x_BLC + self.dropout(self.self_attention(x_BLC, mask_BL)))
        x_BLC = self.cross_attention_norm(x_BLC + self.dropout(self.cross_attention(x_BLC, key_value, key_mask_BN)))
        return self.feed_forward_norm(x_BLC + self.dropout(self.contract(F.gelu(self.expand(x_BLC)))))
