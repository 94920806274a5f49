"""The multimodal encoder: texts read pictures.

Shapes: B texts, L text tokens, P pictures, N image tokens, C width.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

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

    An image's keys and values are projected once per layer (`project`) and shared by every text that it meets:

        >>> keys_values = fusion.project(image_PNC)
        >>> fused_BLC = fusion(text_BLC, mask_BL, keys_values, picture_of_text_B)

    Texts that meet the pictures in turn (text b picture b mod P) need no index, and no copy of keys and values:

        >>> fused_BLC = fusion(text_BLC, mask_BL, keys_values)

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

    # Layers of ours that start from the same layer of BERT.
    layers_per_bert_layer = 1

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
        self.layers = nn.ModuleList(
            FusionLayer(width, image_width, num_heads, 4 * width, dropout) for _ in range(num_layers)
        )
        init_as_bert(self, width)

    def init_weights(self) -> None:
        if self.checkpoint is not None and not self.is_init:
            self._load_bert_layers()
        self.is_init = True

    def _load_bert_layers(self) -> None:
        source = load_bert(self.checkpoint)
        available = len(source.encoder.layer)
        wanted = self.first_bert_layer + len(self.layers) // self.layers_per_bert_layer
        if available < wanted or source.config.hidden_size != self.width:
            raise ValueError(
                f'{self.checkpoint} has {available} layers of width {source.config.hidden_size}; '
                f'this FusionEncoder wants {wanted} of width {self.width}'
            )
        for number, layer in enumerate(self.layers):
            bert_layer = source.encoder.layer[self.first_bert_layer + number // self.layers_per_bert_layer]
            for ours, theirs in BERT_LAYER_NAMES.items():
                layer.get_submodule(ours).load_state_dict(bert_layer.get_submodule(theirs).state_dict())

    def project(self, image_PNC: Tensor, size_PN: Tensor | None = None) -> list[KeyValue]:
        """Every layer's keys and values of P pictures; `size_PN`: how many tokens each of theirs stands for (None: one)."""
        return list(self.projections(image_PNC, size_PN))

    def projections(self, image_PNC: Tensor, size_PN: Tensor | None = None) -> Iterator[KeyValue]:
        """The same for one pass, each layer's when it is its turn: the backward pass then frees them and their gradients
        before it comes to the layer below."""
        return (layer.project(image_PNC, size_PN) for layer in self.layers)

    def forward(
        self,
        text_BLC: Tensor,
        mask_BL: Tensor,
        keys_values: Iterable[KeyValue],
        picture_R: Tensor | int | None = None,
        first: int | None = None,
    ) -> Tensor:
        """Fused tokens (B, L, C), or the `first` of each text alone, (B, first, C), which spares most of the last layer.

        The last R texts meet the pictures `picture_R`, which may repeat and permute, or where it is the number R the last R
        pictures. Those before them, or all (None), meet the P pictures, or the other P - R, in turn.
        """
        return self._through(self.layers, text_BLC, mask_BL, keys_values, picture_R, first)

    def of_two_kinds(
        self,
        count: int,
        text_BLC: Tensor,
        mask_BL: Tensor,
        keys_values: Iterable[KeyValue],
        picture_R: Tensor | int,
        first: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """In one pass the fused tokens of the first `count` texts, of each the `first[0]` tokens, (count, first[0], C), and
        those of the others, (B - count, first[1], C). Texts meet pictures as in `forward`, the first `count` in turn."""
        keys_values = iter(keys_values)
        below = islice(keys_values, len(self.layers) - 1)
        x_BLC = self._through(self.layers[:-1], text_BLC, mask_BL, below, picture_R)
        (last,) = keys_values
        in_turn = last.parted(picture_R)[0] if isinstance(picture_R, int) else last
        return (
            self._through(self.layers[-1:], x_BLC[:count], mask_BL[:count], [in_turn], None, first[0]),
            self._through(self.layers[-1:], x_BLC[count:], mask_BL[count:], [last], picture_R, first[1]),
        )

    def _through(
        self,
        layers: nn.ModuleList,
        text_BLC: Tensor,
        mask_BL: Tensor,
        keys_values: Iterable[KeyValue],
        picture_R: Tensor | int | None = None,
        first: int | None = None,
    ) -> Tensor:
        if not layers:
            return text_BLC
        if self._has_parts:
            keys_values = list(keys_values)
            picture_R = self._of_each(len(text_BLC), len(keys_values[0].key), picture_R, text_BLC.device)

        def fuse(x_BLC: Tensor, mask_BL: Tensor, picture_R: Tensor | int | None) -> tuple[Tensor]:
            for layer, key_value in zip(layers, keys_values, strict=True):
                x_BLC = layer(x_BLC, mask_BL, key_value, picture_R, first=first if layer is self.layers[-1] else None)
            return (x_BLC,)

        return self._in_parts(fuse, text_BLC, mask_BL, picture_R)

    @property
    def _has_parts(self) -> bool:
        """Whether a pass reads keys and values more than once."""
        return self.length_buckets > 1 or bool(self.checkpoint_rows)

    def _in_parts(
        self, fuse: Callable[..., tuple[Tensor]], text_BLC: Tensor, mask_BL: Tensor, *picture_B: Tensor | int | None
    ) -> Tensor:
        """What `fuse` makes of the texts, of their masks and of their pictures' numbers: in buckets of like lengths, in which
        some rows at a time are checkpointed."""

        def fuse_bucket(index: Tensor | slice, length: int) -> Tensor:
            pictures = (numbers[index] if isinstance(numbers, Tensor) else numbers for numbers in picture_B)
            rows = text_BLC[index, :length], mask_BL[index, :length], *pictures
            return in_checkpointed_chunks(fuse, self.checkpoint_rows, *rows)[0]

        return in_length_buckets(fuse_bucket, mask_BL, self.length_buckets)

    @staticmethod
    def _of_each(texts: int, pictures: int, picture_R: Tensor | int | None, device) -> Tensor | None:
        """The picture of every text, (B,); None if there is but one picture."""
        if pictures == 1:
            return None
        if isinstance(picture_R, int):
            pictures, picture_R = pictures - picture_R, torch.arange(pictures - picture_R, pictures, device=device)
        in_turn = torch.arange(texts - (0 if picture_R is None else len(picture_R)), device=device) % pictures
        return in_turn if picture_R is None else torch.cat([in_turn, picture_R])
