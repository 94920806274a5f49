"""Multi-head attention over PyTorch's fused kernel.

Shapes: B rows (texts), L text tokens, P pictures, N image tokens, C width, H heads, D = C / H. Masks are True = attend.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn


class KeyValue(NamedTuple):
    """One layer's projected keys and values, each (P, H, N, D)."""

    key: Tensor
    value: Tensor

    def rows(self, index_B: Tensor) -> 'KeyValue':
        """Those of the pictures in `index_B`, which may repeat and permute."""
        return KeyValue(self.key[index_B], self.value[index_B])


def split_heads(x_BLC: Tensor, heads: int) -> Tensor:
    batch, length, width = x_BLC.shape
    return x_BLC.view(batch, length, heads, width // heads).transpose(1, 2)


def merge_heads(x_BHLD: Tensor) -> Tensor:
    batch, heads, length, dim = x_BHLD.shape
    return x_BHLD.transpose(1, 2).reshape(batch, length, heads * dim)


class SelfAttention(nn.Module):
    """Text tokens attend to the text's tokens."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x_BLC: Tensor, mask_BL: Tensor) -> Tensor:
        query, key, value = (split_heads(layer(x_BLC), self.heads) for layer in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        x_BHLD = F.scaled_dot_product_attention(query, key, value, mask_BL[:, None, None, :], dropout)
        return self.output(merge_heads(x_BHLD))


class CrossAttention(nn.Module):
    """Text tokens attend to image tokens whose keys and values were projected before, once for all texts."""

    def __init__(self, width: int, image_width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(image_width, width)
        self.value = nn.Linear(image_width, width)
        self.output = nn.Linear(width, width)

    def project(self, image_PNC: Tensor) -> KeyValue:
        return KeyValue(split_heads(self.key(image_PNC), self.heads), split_heads(self.value(image_PNC), self.heads))

    def forward(self, x_BLC: Tensor, key_value: KeyValue) -> Tensor:
        """`key_value` holds row b's picture in its row b."""
        query = split_heads(self.query(x_BLC), self.heads)
        dropout = self.dropout if self.training else 0.0
        x_BHLD = F.scaled_dot_product_attention(query, key_value.key, key_value.value, dropout_p=dropout)
        return self.output(merge_heads(x_BHLD))
