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
        dropout: on hidden states and attention, in training.
        causal: tokens attend to themselves and those before them only, as in a decoder.
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

    def project(self, image_PNC: Tensor, size_PN: Tensor | None = None) -> KeyValue:
        """The keys and values of P images, for `forward`; `size_PN`: how many tokens each image token stands for."""
        return self.cross_attention.project(image_PNC, size_PN)

    def forward(
        self,
        x_BLC: Tensor,
        mask_BL: Tensor,
        key_value: KeyValue,
        image_index: Tensor | None = None,
        key_mask_PN: Tensor | None = None,
        first: int | None = None,
    ) -> Tensor:
        """(B, L, C), or only the `first` tokens, (B, first, C), for a last layer whose other tokens are not needed.

        `image_index`, `key_mask_PN`: as in `CrossAttention`.
        """
        attended_BLC = self.self_attention(x_BLC, mask_BL, first)
        x_BLC = self.self_attention_norm(x_BLC[:, :first] + self.dropout(attended_BLC))
        read_BLC = self.cross_attention(x_BLC, key_value, image_index, key_mask_PN)
        x_BLC = self.cross_attention_norm(x_BLC + self.dropout(read_BLC))
        return self.feed_forward_norm(x_BLC + self.dropout(self.contract(F.gelu(self.expand(x_BLC)))))
