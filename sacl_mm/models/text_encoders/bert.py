"""transformers' BERT as a text encoder."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from sacl_mm.functional.length_buckets import in_length_buckets
from sacl_mm.functional.settings import check_count, check_heads, check_number
from sacl_mm.layers.bert_checkpoint import load_bert
from sacl_mm.registry import MODELS


@MODELS.register_module()
class BertTextEncoder(BaseModule):
    """The first `num_layers` layers of a BERT.

    Args:
        vocab_size: of the tokenizer.
        width, num_layers, num_heads: of the transformer; the feed-forward part is four times as wide.
        max_length: the longest text in tokens, [CLS] and [SEP] included.
        dropout: on hidden states and attention, in training.
        checkpoint: a folder or a hub name to initialise from (its layers beyond `num_layers` are left out); None starts
            from random weights. Read when weights are initialised, so that building a model for testing needs no file.
        length_buckets: number of groups of similar lengths that a batch is split into, each padded to its own longest text.
            More than 1 pays on CPUs, where time is proportional to the number of tokens.
    """

    is_init: bool  # MMEngine's

    def __init__(
        self,
        vocab_size: int = 30522,
        width: int = 768,
        num_layers: int = 6,
        num_heads: int = 12,
        max_length: int = 512,
        dropout: float = 0.1,
        checkpoint: str | None = None,
        length_buckets: int = 1,
    ) -> None:
        super().__init__()
        check_count('vocab_size', vocab_size)
        check_count('num_layers', num_layers)
        check_heads(width, num_heads)
        check_count('max_length', max_length, least=2)
        check_number('dropout', dropout, '[0, 1)')
        check_count('length_buckets', length_buckets)
        self.checkpoint = checkpoint
        self.width = width
        self.vocab_size = vocab_size
        self.length_buckets = length_buckets
        self.bert = BertModel(
            BertConfig(
                vocab_size=vocab_size,
                hidden_size=width,
                num_hidden_layers=num_layers,
                num_attention_heads=num_heads,
                intermediate_size=4 * width,
                max_position_embeddings=max_length,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
            ),
            add_pooling_layer=False,
        )

    def init_weights(self) -> None:
        if self.checkpoint is not None and not self.is_init:
            self.bert.load_state_dict(self._pretrained_state(self.checkpoint))
        self.is_init = True

    def _pretrained_state(self, checkpoint: str) -> dict[str, Tensor]:
        source = load_bert(checkpoint, self.bert.config.num_hidden_layers).state_dict()
        wrong = [
            key
            for key, value in self.bert.state_dict().items()
            if key not in source or source[key].shape != value.shape
        ]
        if wrong:
            shapes = ', '.join(f'{key} {tuple(source[key].shape) if key in source else "missing"}' for key in wrong[:3])
            raise ValueError(f'{checkpoint} does not fit this BertTextEncoder: it has {shapes} ({len(wrong)} differ)')
        return {key: source[key] for key in self.bert.state_dict()}

    @property
    def word_embeddings(self) -> nn.Embedding:
        """For heads that are tied to them."""
        return self.bert.embeddings.word_embeddings

    def forward(self, token_ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """Tokens (B, L, C); `mask_BL` is True for tokens, False for padding. ValueError: L is more than `max_length`."""
        if token_ids_BL.shape[1] > (most := self.bert.config.max_position_embeddings):
            raise ValueError(f'a text of {token_ids_BL.shape[1]} tokens; this BertTextEncoder has max_length={most}')

        # Looked up once: each look-up's gradient is as large as the vocabulary.
        words_BLC = self.word_embeddings(token_ids_BL)

        def encode(index: Tensor | slice, length: int) -> Tensor:
            words, padding = words_BLC[index, :length], ~mask_BL[index, :length]
            # Parts of `BertModel`: as a whole it looks whether there is any padding, for which the host waits for a GPU.
            added = words.new_zeros(padding.shape).masked_fill(padding, torch.finfo(words.dtype).min)[:, None, None]
            embedded = self.bert.embeddings(inputs_embeds=words)
            return self.bert.encoder(embedded, attention_mask=added).last_hidden_state

        return in_length_buckets(encode, mask_BL, self.length_buckets)
