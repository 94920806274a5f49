"""Multi-head attention over PyTorch's fused kernel.

Shapes: B rows (texts), L text tokens, P pictures, N image tokens, C width, H heads, D = C / H. Masks are True = attend.
"""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.layers.recomputation import recomputable


class KeyValue(NamedTuple):
    """One layer's projected keys and values, each (P, H, N, D)."""

    key: Tensor
    value: Tensor

    def rows(self, index_B: Tensor) -> 'KeyValue':
        """Those of the pictures in `index_B`, which may repeat and permute."""
        return KeyValue(*(recomputable(x[index_B], partial(x.__getitem__, index_B)) for x in self))

    def first(self, count: int) -> 'KeyValue':
        """Those of the first pictures."""
        if count == len(self.key):
            return self  # a slice's gradient is a copy
        return KeyValue(self.key[:count], self.value[:count])


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

    def forward(self, x_BLC: Tensor, mask_BL: Tensor, first_only: bool = False) -> Tensor:
        """With `first_only` what the first token makes of all, (B, 1, C)."""
        queries_BQC = x_BLC[:, :1] if first_only else x_BLC
        query = split_heads(self.query(queries_BQC), self.heads)
        key, value = (split_heads(layer(x_BLC), self.heads) for layer in (self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        mask_B1LL = mask_BL[:, None, None, :]
        if self.causal:
            seen = torch.ones(queries_BQC.shape[1], x_BLC.shape[1], dtype=torch.bool, device=mask_BL.device)
            mask_B1LL = mask_B1LL & seen.tril()
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

    def forward(
        self, x_BLC: Tensor, key_value: KeyValue, picture_R: Tensor | None = None, key_mask_PN: Tensor | None = None
    ) -> Tensor:
        """The last R rows attend to the pictures `picture_R`, which may repeat and permute. Those before them, or all (None),
        attend to the P pictures in turn, row b to picture b mod P: nothing is then copied for each.

        `key_mask_PN` is False where a picture's tokens are padded.
        """
        query_BLC = self.query(x_BLC)
        if picture_R is None:
            return self.output(self._in_turn(query_BLC, key_value, key_mask_PN))
        in_turn = len(x_BLC) - len(picture_R)
        mask_RN = None if key_mask_PN is None else key_mask_PN[picture_R]
        # Each row has its own picture now, so that these are in turn, too.
        rows = self._in_turn(query_BLC[in_turn:], key_value.rows(picture_R), mask_RN)
        if in_turn:
            rows = torch.cat([self._in_turn(query_BLC[:in_turn], key_value, key_mask_PN), rows])
        return self.output(rows)

    def _in_turn(self, query_BLC: Tensor, key_value: KeyValue, key_mask_PN: Tensor | None) -> Tensor:
        batch, length, width = query_BLC.shape
        pictures = len(key_value.key)
        if batch % pictures:
            raise ValueError(f'{batch} texts cannot meet {pictures} pictures in turn: say which meets which')
        # Tokens don't see each other here: a picture's texts are one long one.
        query_PKLC = query_BLC.view(-1, pictures, length, width).transpose(0, 1)
        query_PHKD = split_heads(query_PKLC.reshape(pictures, -1, width), self.heads)
        dropout = self.dropout if self.training else 0.0
        mask = None if key_mask_PN is None else key_mask_PN[:, None, None, :]
        x_PHKD = F.scaled_dot_product_attention(query_PHKD, key_value.key, key_value.value, mask, dropout)
        return merge_heads(x_PHKD).view(query_PKLC.shape).transpose(0, 1).reshape(batch, length, width)
