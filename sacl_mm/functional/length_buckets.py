"""Texts of different lengths in one batch: padding, and groups of similar lengths so that little padding is computed.

Shapes: B texts, L tokens of the longest, C width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def pad_texts(texts: list[Tensor], pad_token: int = 0) -> tuple[Tensor, Tensor]:
    """Token ids (B, L) of texts given as one-dimensional tensors, and a mask (B, L) that is True for tokens."""
    token_ids_BL = pad_sequence(texts, batch_first=True, padding_value=pad_token)
    lengths_B = torch.tensor([len(text) for text in texts])
    return token_ids_BL, torch.arange(token_ids_BL.shape[1]) < lengths_B[:, None]


def in_length_buckets(encode: Callable[[Tensor | slice, int], Tensor], mask_BL: Tensor, buckets: int) -> Tensor:
    """`encode` applied to the texts, bucket by bucket, (B, L, C); zeros where a bucket is shorter than L.

    Args:
        encode: given the indices (b,) of a bucket's texts (or a slice) and their greatest length l, returns (b, l, C);
            or (b, 1, C), whatever l.
        mask_BL: True for tokens, which come first, False for padding.
        buckets: how many, of equal numbers of texts.
    """
    batch, longest = mask_BL.shape
    if buckets <= 1 or batch < 2 * buckets:
        return encode(slice(None), longest)
    length_B, order_B = mask_BL.sum(dim=1).sort(descending=True, stable=True)
    lengths = torch.stack([of_bucket[0] for of_bucket in length_B.chunk(buckets)]).tolist()
    # The first bucket keeps the mask's length, which may exceed all of these texts: it is other processes' longest.
    lengths[0] = longest
    outputs = [encode(index, length) for index, length in zip(order_B.chunk(buckets), lengths, strict=True)]
    longest = outputs[0].shape[1]
    padded = [F.pad(output, (0, 0, 0, longest - output.shape[1])) for output in outputs]
    return torch.cat(padded)[order_B.argsort()]
