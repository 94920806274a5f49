"""Multi-head attention over PyTorch's fused kernel.

Shapes: B rows (texts), L text tokens, P pictures, N image tokens, C width, H heads, D = C / H. Masks are True = attend.
"""

from typing import NamedTuple

import torch
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
    """Text tokens attend to the text's tokens, or with `causal` to those before them and themselves."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.dropout, self.causal = heads, dropout, causal
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x_BLC: Tensor, mask_BL: Tensor) -> Tensor:
        query, key, value = (split_heads(layer(x_BLC), self.heads) for layer in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        mask_B1LL = mask_BL[:, None, None, :]
        if self.causal:
            length = x_BLC.shape[1]
            mask_B1LL = mask_B1LL & torch.ones(length, length, dtype=torch.bool, device=mask_BL.device).tril()
        x_BHLD = F.scaled_dot_product_attention(query, key, value, mask_B1LL, dropout)
        return self.output(merge_heads(x_BHLD))


class CrossAttention(nn.Module):
    """Text tokens attend to another sequence's tokens (a picture's; in a decoder a question's), whose keys and values were
    projected before, once for all texts."""

    def __init__(self, width: int, image_width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(image_width, width)
        self.value = nn.Linear(image_width, width)
        self.output = nn.Linear(width, width)

    def project(self, image_PNC: Tensor) -> KeyValue:
        return KeyValue(split_heads(self.key(image_PNC), self.heads), split_heads(self.value(image_PNC), self.heads))

    def forward(self, x_BLC: Tensor, key_value: KeyValue, key_mask_BN: Tensor | None = None) -> Tensor:
        """`key_value` holds row b's picture in its row b, or one picture for all rows; `key_mask_BN` is False where it is
        padded."""
        shape = x_BLC.shape
        if len(key_value.key) == 1:
            # Tokens don't see each other here: all texts are one long one, and nothing is repeated for each.
            x_BLC = x_BLC.reshape(1, -1, shape[-1])
        query = split_heads(self.query(x_BLC), self.heads)
        dropout = self.dropout if self.training else 0.0
        mask = None if key_mask_BN is None else key_mask_BN[:, None, None, :]
        x_BHLD = F.scaled_dot_product_attention(query, key_value.key, key_value.value, mask, dropout)
        return self.output(merge_heads(x_BHLD)).view(shape)
