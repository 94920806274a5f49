"""Multi-head attention over PyTorch's fused kernel.

Shapes: B rows (texts), L text tokens, P images, N image tokens, C width, H heads, D = C / H. Masks are True = attend.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.functional.picking import pick


class KeyValue(NamedTuple):
    """One layer's projected keys and values, each (P, H, N, D)."""

    key: Tensor
    value: Tensor
    size: Tensor | None = None
    """How many tokens each stands for, (P, N); None: one each."""

    def rows(self, index_B: Tensor) -> 'KeyValue':
        """The keys and values of the images in `index_B`, which may repeat."""
        return KeyValue._make(None if x is None else pick(x, index_B) for x in self)

    def append(self, other: 'KeyValue') -> 'KeyValue':
        """The keys and values of both, this one's images first."""
        size = None if self.size is None or other.size is None else torch.cat([self.size, other.size])
        return KeyValue(torch.cat([self.key, other.key]), torch.cat([self.value, other.value]), size)

    def mask(self, seen_PN: Tensor | None) -> Tensor | None:
        """Attention's mask (P, 1, 1, N): booleans, or with sizes numbers to add to the scores. A token of size s counts as s
        equal tokens: e^(score + log s) = s e^score (ToMe, arXiv 2210.09461, Eq. 1)."""
        if self.size is None:
            return None if seen_PN is None else seen_PN[:, None, None, :]
        added_PN = self.size.log().to(self.key.dtype)
        return (added_PN if seen_PN is None else added_PN.masked_fill(~seen_PN, -torch.inf))[:, None, None, :]


def split_heads(x_BLC: Tensor, heads: int) -> Tensor:
    batch, length, width = x_BLC.shape
    return x_BLC.view(batch, length, heads, width // heads).transpose(1, 2)


def merge_heads(x_BHLD: Tensor) -> Tensor:
    batch, heads, length, dim = x_BHLD.shape
    return x_BHLD.transpose(1, 2).reshape(batch, length, heads * dim)


class SelfAttention(nn.Module):
    """Text tokens attend to all tokens of the text, or with `causal` to themselves and those before them."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.dropout, self.causal = heads, dropout, causal
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x_BLC: Tensor, mask_BL: Tensor, first: int | None = None) -> Tensor:
        """The attended tokens (B, L, C), or with `first` only the first ones, (B, first, C)."""
        queries_BQC = x_BLC[:, :first]
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
    """Text tokens attend to another sequence (an image; in a decoder a question), whose keys and values `project` has computed
    once for all texts."""

    def __init__(self, width: int, image_width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(image_width, width)
        self.value = nn.Linear(image_width, width)
        self.output = nn.Linear(width, width)

    def project(self, image_PNC: Tensor, size_PN: Tensor | None = None) -> KeyValue:
        key, value = (split_heads(layer(image_PNC), self.heads) for layer in (self.key, self.value))
        return KeyValue(key, value, size_PN)

    def forward(
        self, x_BLC: Tensor, key_value: KeyValue, image_index: Tensor | None = None, key_mask_PN: Tensor | None = None
    ) -> Tensor:
        """Text b attends to image `image_index[b]`, (B,); None: to image b mod P, without copies of keys and values.

        `key_mask_PN` is False where an image's tokens are padded.
        """
        if image_index is not None:
            key_value = key_value.rows(image_index)
            key_mask_PN = None if key_mask_PN is None else key_mask_PN[image_index]
        batch, length, width = x_BLC.shape
        images = len(key_value.key)
        if batch % images:
            raise ValueError(f'{batch} texts cannot meet {images} images in turn: say which meets which')
        # Text tokens don't interact here, so an image's texts can be joined to one long text.
        query_PKLC = self.query(x_BLC).view(-1, images, length, width).transpose(0, 1)
        query_PHKD = split_heads(query_PKLC.reshape(images, -1, width), self.heads)
        dropout = self.dropout if self.training else 0.0
        mask = key_value.mask(key_mask_PN)
        read_PHKD = F.scaled_dot_product_attention(query_PHKD, key_value.key, key_value.value, mask, dropout)
        return self.output(merge_heads(read_PHKD).view(query_PKLC.shape).transpose(0, 1).reshape(x_BLC.shape))
