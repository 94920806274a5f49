"""A text reads two pictures. Shapes as in `fusion_encoder.py`."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from sacl_mm.functional.settings import check_count
from sacl_mm.layers import KeyValue
from sacl_mm.models.fusion.fusion_encoder import FusionEncoder
from sacl_mm.registry import MODELS


@MODELS.register_module()
class PairedFusionEncoder(FusionEncoder):
    """Each layer of `FusionEncoder` becomes two, the first for the first picture, the second for the second (ALBEF,
    arXiv 2107.07651, Sec. 4 on NLVR2); both share the projection of pictures to keys and values, so that each picture is
    projected once.

    Args:
        num_layers: of the single-picture encoder, whose weights it starts from; there are twice as many here.
        others: as in `FusionEncoder`.
    """

    layers_per_bert_layer = 2

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
        check_count('num_layers', num_layers)
        super().__init__(
            width,
            image_width,
            2 * num_layers,
            num_heads,
            dropout,
            checkpoint,
            first_bert_layer,
            length_buckets,
            checkpoint_rows,
        )
        for first, second in zip(self.layers[::2], self.layers[1::2], strict=True):
            second.cross_attention.key = first.cross_attention.key
            second.cross_attention.value = first.cross_attention.value

    def projections(self, image_PNC: Tensor, size_PN: Tensor | None = None) -> Iterator[KeyValue]:
        """As in `FusionEncoder`, one for each two layers."""
        return (layer.project(image_PNC, size_PN) for layer in self.layers[::2])

    def forward(
        self,
        text_BLC: Tensor,
        mask_BL: Tensor,
        keys_values: Iterable[KeyValue],
        picture_B: Tensor,
        other_B: Tensor,
        first: int | None = None,
    ) -> Tensor:
        """Fused tokens (B, L, C) of text b with the pictures `picture_B[b]` and `other_B[b]`, or the `first` of each
        text alone."""
        if self._has_parts:
            keys_values = list(keys_values)

        def fuse(x_BLC: Tensor, mask_BL: Tensor, picture_B: Tensor, other_B: Tensor) -> tuple[Tensor]:
            for layer, other, key_value in zip(self.layers[::2], self.layers[1::2], keys_values, strict=True):
                x_BLC = layer(x_BLC, mask_BL, key_value, picture_B)
                x_BLC = other(x_BLC, mask_BL, key_value, other_B, first=first if other is self.layers[-1] else None)
            return (x_BLC,)

        return self._in_parts(fuse, text_BLC, mask_BL, picture_B, other_B)

    @staticmethod
    def doubled(state: dict[str, Tensor], prefix: str = 'fusion.') -> dict[str, Tensor]:
        """A state dict in which the layers of a `FusionEncoder` below `prefix` have become pairs."""
        layers = f'{prefix}layers.'
        doubled = {key: value for key, value in state.items() if not key.startswith(layers)}
        for key, value in state.items():
            if key.startswith(layers):
                number, rest = key.removeprefix(layers).split('.', 1)
                doubled |= {f'{layers}{2 * int(number) + side}.{rest}': value for side in range(2)}
        return doubled
