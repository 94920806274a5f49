"""Texts of like lengths together, so that short ones are not padded to the longest of the batch.

Shapes: B texts, L tokens of the longest, C width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def in_length_buckets(encode: Callable[[Tensor | slice, int], Tensor], mask_BL: Tensor, buckets: int) -> Tensor:
    """(B, L, C) of what `encode` makes of the texts, bucket by bucket; zeros where a bucket is shorter than L.

    Args:
        encode: given the indices (b,) of a bucket's texts (or a slice) and their greatest length l, returns (b, l, C);
            or (b, 1, C), whatever l.
        mask_BL: True for tokens, which come first, False for padding.
        buckets: how many, of equal numbers of texts.
    """
    batch, longest = mask_BL.shape
    if buckets <= 1 or batch < 2 * buckets:
        return encode(slice(None), longest)
    order_B = mask_BL.sum(dim=1).argsort(descending=True, stable=True)
    outputs: list[Tensor] = []
    for index in order_B.chunk(buckets):
        # The first bucket gives the whole its length, the mask's: other processes' texts may be longer than all of these.
        length = int(mask_BL[index[0]].sum()) if outputs else longest
        outputs.append(encode(index, length))
    longest = outputs[0].shape[1]
    padded = [F.pad(output, (0, 0, 0, longest - output.shape[1])) for output in outputs]
    return torch.cat(padded)[order_B.argsort()]
