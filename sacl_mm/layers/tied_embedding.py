"""An embedding that a prediction head shares ("tied", Press & Wolf, arXiv 1608.05859), with one gradient for both uses.

Shapes: V vocabulary, C width, B texts, L tokens, T rows of the head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from sacl_mm.layers.recomputation import is_kept_otherwise

# Words whose gradient is computed at a time.
_WORDS = 4096


class TiedEmbedding:
    """An embedding for a step in which tokens are looked up in it and a head multiplies by it.

        >>> words = TiedEmbedding(embedding)
        >>> with words.looked_up():
        ...     tokens = text_encoder(token_ids)  # which looks up in `embedding`
        >>> logits = words.linear(hidden, bias)

    Each use alone has a gradient as large as the vocabulary. PyTorch holds the head's through the whole backward pass until
    the look-up's is there to be added. Here the head keeps the two factors of its gradient, and at the look-up's turn both are
    written into one tensor. In checkpointed code, and where the head has more rows than the embedding has columns, so that
    factors would be the larger, all is as PyTorch has it.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        self.embedding = embedding
        self._tie: Tensor | None = None  # there between the look-up and the head
        self._factors: list[Tensor] = []

    @contextmanager
    def looked_up(self) -> Iterator[None]:
        """In which the embedding is looked up once."""
        handle = self.embedding.register_forward_hook(self._look_up)
        try:
            yield
        finally:
            handle.remove()

    def _look_up(self, embedding: nn.Embedding, inputs: tuple[Tensor], words: Tensor) -> Tensor:
        if not words.requires_grad or is_kept_otherwise() or self._tie is not None:
            return words
        words, self._tie = _LookUp.apply(embedding.weight, *inputs, embedding.padding_idx, self._factors)
        return words

    def linear(self, x_TC: Tensor, bias_V: Tensor) -> Tensor:
        """x times the embeddings, and the bias: (T, V)."""
        tie, self._tie = self._tie, None
        if tie is None or len(x_TC) > x_TC.shape[1]:
            return F.linear(x_TC, self.embedding.weight, bias_V)
        return _Linear.apply(x_TC, self.embedding.weight.detach(), bias_V, tie, self._factors)


class _LookUp(Function):
    """The words, and the tie: a number through which autograd knows that the head's turn comes before the look-up's. Its
    gradient is 1 where the head left its factors in the same backward pass."""

    @staticmethod
    def forward(
        ctx: Any, weight_VC: Tensor, ids_BL: Tensor, padding: int | None, factors: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(weight_VC, ids_BL)
        ctx.padding, ctx.factors = padding, factors
        return weight_VC[ids_BL], torch.zeros((), device='cpu')  # where to read it waits for no GPU

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BLC: Tensor, of_head: Tensor) -> tuple[Tensor, None, None, None]:
        weight_VC, ids_BL = ctx.saved_tensors
        if of_head:
            (gradient_TV, x_TC), gradient_VC = ctx.factors, torch.empty_like(weight_VC)
            ctx.factors.clear()
            for part, gradient_TW in zip(gradient_VC.split(_WORDS), gradient_TV.split(_WORDS, dim=1), strict=True):
                part.copy_(gradient_TW.t() @ x_TC)
        else:
            ctx.factors.clear()
            gradient_VC = torch.zeros_like(weight_VC)
        if ctx.padding is not None:
            gradient_BLC = gradient_BLC.masked_fill((ids_BL == ctx.padding)[..., None], 0)
        _add_rows(gradient_VC, ids_BL.flatten(), gradient_BLC.flatten(0, -2).to(gradient_VC.dtype))
        return gradient_VC, None, None, None


def _add_rows(total_VC: Tensor, ids_N: Tensor, rows_NC: Tensor) -> None:
    """Adds rows, of which some are of the same word, in the same order every time: each way does so on its own device only."""
    if total_VC.device.type == 'cpu':
        total_VC.index_add_(0, ids_N, rows_NC)
    else:
        total_VC.index_put_((ids_N,), rows_NC, accumulate=True)


class _Linear(Function):
    @staticmethod
    def forward(
        ctx: Any, x_TC: Tensor, weight_VC: Tensor, bias_V: Tensor, tie: Tensor, factors: list[Tensor]
    ) -> Tensor:
        ctx.save_for_backward(x_TC, weight_VC)
        ctx.factors, ctx.bias_dtype = factors, bias_V.dtype
        return F.linear(x_TC, weight_VC, bias_V)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_TV: Tensor) -> tuple[Tensor | None, ...]:
        x_TC, weight_VC = ctx.saved_tensors
        ctx.factors[:] = gradient_TV, x_TC.to(gradient_TV.dtype)
        gradient_TC = (gradient_TV @ weight_VC.to(gradient_TV.dtype)).to(x_TC.dtype)
        return gradient_TC, None, gradient_TV.sum(dim=0, dtype=ctx.bias_dtype), torch.ones((), device='cpu'), None
