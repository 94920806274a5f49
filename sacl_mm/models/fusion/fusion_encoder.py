"""The multimodal encoder: text tokens attend to image tokens.

Shapes: B texts, L text tokens, P images, N image tokens, C width.
"""

from collections.abc import Sequence
from typing import cast

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.checkpoints.bert import BERT_LAYER_NAMES
from sacl_mm.functional.length_buckets import in_length_buckets
from sacl_mm.functional.settings import check_count, check_heads, check_number, check_optional_count
from sacl_mm.layers import FusionLayer, KeyValue
from sacl_mm.layers.bert_checkpoint import load_bert
from sacl_mm.layers.checkpointing import in_checkpointed_chunks
from sacl_mm.layers.initialisation import init_as_bert
from sacl_mm.registry import MODELS


@MODELS.register_module()
class FusionEncoder(BaseModule):
    """Transformer layers in which text tokens cross-attend to image tokens (ALBEF's multimodal encoder).

    An image's keys and values are projected once per layer and shared by all its texts:

        >>> keys_values = encoder.project(image_PNC)
        >>> fused_BLC = encoder(text_BLC, mask_BL, keys_values, image_index)

    Text b meets image `image_index[b]`; without an index it meets image b mod P, and nothing is copied.

    Args:
        width: of the text tokens.
        image_width: of the image tokens.
        num_layers, num_heads: of the transformer; the feed-forward part is four times as wide.
        dropout: on hidden states and attention, in training.
        checkpoint: a BERT (folder or hub name) whose layers from `first_bert_layer` on initialise everything but the
            cross-attention; None starts from random weights.
        first_bert_layer: see `checkpoint`.
        length_buckets: as in `BertTextEncoder`.
        checkpoint_rows: texts fused at a time in training, as in `TwoTower`.
    """

    # Layers here that start from the same layer of BERT.
    layers_per_bert_layer = 1
    layers: Sequence[FusionLayer]
    is_init: bool  # MMEngine's

    def __init__(
        self,
        width: int = 768,
        image_width: int = 768,
        num_layers: int = 6,
        num_heads: int = 12,
        dropout: float = 0.1,
        checkpoint: str | None = None,
        first_bert_layer: int = 6,
        length_buckets: int = 1,
        checkpoint_rows: int | None = None,
    ) -> None:
        super().__init__()
        check_heads(width, num_heads)
        check_count('image_width', image_width)
        check_count('num_layers', num_layers)
        check_number('dropout', dropout, '[0, 1)')
        check_count('first_bert_layer', first_bert_layer, least=0)
        check_count('length_buckets', length_buckets)
        check_optional_count('checkpoint_rows', checkpoint_rows)
        self.checkpoint = checkpoint
        self.first_bert_layer = first_bert_layer
        self.width, self.image_width = width, image_width
        self.length_buckets = length_buckets
        self.checkpoint_rows = checkpoint_rows
        layers = (FusionLayer(width, image_width, num_heads, 4 * width, dropout) for _ in range(num_layers))
        self.layers = cast(Sequence[FusionLayer], nn.ModuleList(layers))
        init_as_bert(self, width)

    def init_weights(self) -> None:
        if self.checkpoint is not None and not self.is_init:
            self._load_bert_layers(self.checkpoint)
        self.is_init = True

    def _load_bert_layers(self, checkpoint: str) -> None:
        source = load_bert(checkpoint)
        available = len(source.encoder.layer)
        wanted = self.first_bert_layer + len(self.layers) // self.layers_per_bert_layer
        if available < wanted or source.config.hidden_size != self.width:
            raise ValueError(
                f'{checkpoint} has {available} layers of width {source.config.hidden_size}; '
                f'this FusionEncoder wants {wanted} of width {self.width}'
            )
        for number, layer in enumerate(self.layers):
            bert_layer = source.encoder.layer[self.first_bert_layer + number // self.layers_per_bert_layer]
            for ours, theirs in BERT_LAYER_NAMES.items():
                layer.get_submodule(ours).load_state_dict(bert_layer.get_submodule(theirs).state_dict())

    def project(self, image_PNC: Tensor, size_PN: Tensor | None = None) -> list[KeyValue]:
        """Each layer's keys and values of P images; `size_PN`: how many tokens each image token stands for (None: one)."""
        return [layer.project(image_PNC, size_PN) for layer in self.layers]

    def forward(
        self,
        text_BLC: Tensor,
        mask_BL: Tensor,
        keys_values: list[KeyValue],
        image_index: Tensor | None = None,
        first: int | None = None,
    ) -> Tensor:
        """Fused tokens (B, L, C), or only the `first` ones of each text, (B, first, C), which saves most of the last layer."""
        images = len(keys_values[0].key)
        # Parts of the texts, below, do not meet the images in turn.
        if image_index is None and images > 1 and (self.length_buckets > 1 or self.checkpoint_rows):
            image_index = torch.arange(len(text_BLC), device=text_BLC.device) % images

        def fuse(x_BLC: Tensor, mask_BL: Tensor, image_index: Tensor | None) -> tuple[Tensor]:
            return (self._through_layers(x_BLC, mask_BL, keys_values, image_index, first),)

        def fuse_bucket(rows: Tensor | slice, length: int) -> Tensor:
            index = None if image_index is None else image_index[rows]
            (fused_BLC,) = in_checkpointed_chunks(
                fuse, self.checkpoint_rows, text_BLC[rows, :length], mask_BL[rows, :length], index
            )
            assert fused_BLC is not None
            return fused_BLC

        return in_length_buckets(fuse_bucket, mask_BL, self.length_buckets)

    def _through_layers(
        self, x_BLC: Tensor, mask_BL: Tensor, keys_values: list[KeyValue], image_index: Tensor | None, first: int | None
    ) -> Tensor:
        for layer, key_value in zip(self.layers, keys_values, strict=True):
            x_BLC = layer(x_BLC, mask_BL, key_value, image_index, first=first if layer is self.layers[-1] else None)
        return x_BLC
