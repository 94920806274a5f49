"""Which tokens a masked language model predicts.

Shapes: B texts, L tokens. Masks are True = keep.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sacl_mm.functional.keyed_random import keyed_uniform


class MaskedTokens(NamedTuple):
    token_ids_BL: Tensor
    """The texts with some tokens replaced."""
    predict_BL: Tensor
    """True where the original token is to be predicted."""


def mask_tokens(
    token_ids_BL: Tensor,
    mask_BL: Tensor,
    text_ids_B: Tensor,
    seed: int,
    mask_token: int,
    vocab_size: int,
    share: float = 0.15,
) -> MaskedTokens:
    """BERT's masking (arXiv 1810.04805, Sec. 3.1): of the chosen tokens 80 % become [MASK], 10 % a random one, 10 % stay.

    The first and the last token of a text ([CLS], [SEP]) and padding are never chosen; a text may get none. The draw is a
    function of (seed, text id, position) alone.
    """
    position_L = torch.arange(token_ids_BL.shape[1], device=token_ids_BL.device)
    last_B1 = mask_BL.sum(dim=1, keepdim=True) - 1
    inner_BL = (position_L > 0) & (position_L < last_B1)
    keys = (text_ids_B[:, None], position_L[None, :])
    chosen, kind, token = (keyed_uniform(seed, *keys, torch.full_like(keys[1], use)) for use in range(3))
    predict_BL = inner_BL & (chosen < share)
    masked_BL = token_ids_BL.masked_fill(predict_BL & (kind < 0.8), mask_token)
    random_BL = (token * vocab_size).long().clamp(max=vocab_size - 1)
    return MaskedTokens(torch.where(predict_BL & (kind >= 0.9), random_BL, masked_BL), predict_BL)
