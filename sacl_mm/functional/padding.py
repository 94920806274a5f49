"""Texts of different lengths as one tensor. Shapes: T texts, L tokens of the longest."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def pad_texts(texts: list[Tensor], pad_token: int = 0) -> tuple[Tensor, Tensor]:
    """Token ids (T, L) of texts given as one-dimensional tensors, and a mask (T, L) that is True for tokens."""
    token_ids_TL = pad_sequence(texts, batch_first=True, padding_value=pad_token)
    lengths_T = torch.tensor([len(text) for text in texts])
    return token_ids_TL, torch.arange(token_ids_TL.shape[1]) < lengths_T[:, None]
