"""Answers to visual questions: a causal language model that reads the fused question.

Shapes: B questions, N their tokens, A answers, L answer tokens ([CLS] pieces [SEP]), C width, V vocabulary, K candidates.
"""

from collections.abc import Sequence
from typing import cast

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertEmbeddings

from sacl_mm.functional.picking import pick
from sacl_mm.functional.settings import check_count, check_finite, check_heads, check_number
from sacl_mm.layers import FusionLayer, KeyValue
from sacl_mm.layers.initialisation import init_as_bert
from sacl_mm.models.heads.masked_language_head import MaskedLanguageHead
from sacl_mm.registry import MODELS

# Answers decoded at a time when candidates are ranked; bounds memory only.
_ROWS = 512


@MODELS.register_module()
class AnswerDecoder(BaseModule):
    """Transformer layers with causal self-attention and cross-attention to the question's tokens, which are fused with the
    image (ALBEF, arXiv 2107.07651, Sec. 4 on VQA); the output layer is tied to the word embeddings.

    Args:
        vocab_size: of the tokenizer.
        width: of questions and answers.
        num_layers, num_heads: of the transformer.
        max_length: the longest answer in tokens.
        dropout: on hidden states and attention, in training.
    """

    def __init__(
        self,
        vocab_size: int = 30522,
        width: int = 768,
        num_layers: int = 6,
        num_heads: int = 12,
        max_length: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_count('vocab_size', vocab_size)
        check_count('num_layers', num_layers)
        check_heads(width, num_heads)
        check_count('max_length', max_length, least=2)
        check_number('dropout', dropout, '[0, 1)')
        self.width = width
        self.embeddings = BertEmbeddings(
            BertConfig(
                vocab_size=vocab_size,
                hidden_size=width,
                max_position_embeddings=max_length,
                hidden_dropout_prob=dropout,
            )
        )
        layers = (FusionLayer(width, width, num_heads, 4 * width, dropout, causal=True) for _ in range(num_layers))
        self.layers = cast(Sequence[FusionLayer], nn.ModuleList(layers))
        self.head = MaskedLanguageHead(width, vocab_size)
        init_as_bert(self, width)

    def project(self, question_BNC: Tensor) -> list[KeyValue]:
        """Each layer's keys and values of B questions."""
        return [layer.project(question_BNC) for layer in self.layers]

    def forward(
        self,
        token_ids_AL: Tensor,
        mask_AL: Tensor,
        keys_values: list[KeyValue],
        question_mask_BN: Tensor,
        question_A: Tensor | None,
    ) -> Tensor:
        """The answers' tokens (A, L, C), for `logits`. Answer a belongs to question `question_A[a]`; None: one answer per
        question. ValueError: L is more than `max_length`."""
        if token_ids_AL.shape[1] > (most := self.embeddings.position_embeddings.num_embeddings):
            raise ValueError(f'an answer of {token_ids_AL.shape[1]} tokens; this AnswerDecoder has max_length={most}')
        x_ALC = self.embeddings(input_ids=token_ids_AL)
        for layer, key_value in zip(self.layers, keys_values, strict=True):
            x_ALC = layer(x_ALC, mask_AL, key_value, question_A, question_mask_BN)
        return x_ALC

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of the next token, from tokens (..., C)."""
        return self.head(hidden, self.embeddings.word_embeddings.weight)

    def log_likelihood(
        self,
        token_ids_AL: Tensor,
        mask_AL: Tensor,
        keys_values: list[KeyValue],
        question_mask_BN: Tensor,
        question_A: Tensor,
    ) -> Tensor:
        """log p(answer | question) in nats, (A,): the sum over all tokens after [CLS]."""
        hidden_ALC = self(token_ids_AL[:, :-1], mask_AL[:, :-1], keys_values, question_mask_BN, question_A)
        # Answers are mostly padding, and the vocabulary is most of the work: logits are computed for the T real tokens only.
        place_T = mask_AL[:, 1:].flatten().nonzero()[:, 0]
        log_p_TV = self.logits(pick(hidden_ALC.flatten(0, 1), place_T)).float().log_softmax(dim=1)
        log_p_T = log_p_TV.gather(1, token_ids_AL[:, 1:].flatten()[place_T, None])[:, 0]
        answer_T = place_T // hidden_ALC.shape[1]
        return log_p_T.new_zeros(len(token_ids_AL)).index_add(0, answer_T, log_p_T)

    @torch.no_grad()
    def rank(
        self, question_BNC: Tensor, question_mask_BN: Tensor, token_ids_AL: Tensor, mask_AL: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """The K = min(k, A) answers of a closed list whose first token is the most probable, best first by likelihood.

        Returns:
            Their places in the list (B, K) and their log-likelihoods (B, K).

        Raises:
            NonFiniteError: likelihoods with NaN or infinity, by which nothing can be ranked.
        """
        keys_values = self.project(question_BNC)
        batch_size, device = len(question_BNC), question_BNC.device
        start_B1 = token_ids_AL[:1, :1].expand(batch_size, 1)
        start_B1C = self(start_B1, torch.ones_like(start_B1, dtype=torch.bool), keys_values, question_mask_BN, None)
        # Stable: among answers with equal scores those that come first in the list are kept.
        first_BA = self.logits(start_B1C[:, 0])[:, token_ids_AL[:, 1]].float()
        place_BK = first_BA.argsort(dim=1, descending=True, stable=True)[:, :k]
        place_R = place_BK.flatten()
        question_R = torch.arange(batch_size, device=device).repeat_interleave(place_BK.shape[1])
        length_R = mask_AL.sum(dim=1)[place_R]
        log_p_R = torch.empty(len(place_R), device=device)
        for rows in length_R.argsort().split(
            _ROWS
        ):  # answers of like lengths, without padding to the longest of the list
            place, length = place_R[rows], int(length_R[rows[-1]])
            log_p_R[rows] = self.log_likelihood(
                token_ids_AL[place, :length], mask_AL[place, :length], keys_values, question_mask_BN, question_R[rows]
            )
        log_p_BK = log_p_R.view_as(place_BK)
        check_finite(log_p_BK, "answers' log-likelihoods, by question of the batch")
        order_BK = log_p_BK.argsort(dim=1, descending=True, stable=True)
        return place_BK.gather(1, order_BK), log_p_BK.gather(1, order_BK)
