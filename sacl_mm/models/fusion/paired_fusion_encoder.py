"""Fusion of a text with two images. Shapes as in `fusion_encoder.py`."""

from torch import Tensor

from sacl_mm.functional.settings import check_count
from sacl_mm.layers import KeyValue
from sacl_mm.models.fusion.fusion_encoder import FusionEncoder
from sacl_mm.registry import MODELS


@MODELS.register_module()
class PairedFusionEncoder(FusionEncoder):
    """Each layer of `FusionEncoder` becomes two, the first for the first image, the second for the second (ALBEF,
    arXiv 2107.07651, Sec. 4 on NLVR2); both share the projection of images to keys and values, so that each image is
    projected once.

    Args:
        num_layers: of the single-image encoder, whose weights it starts from; there are twice as many here.
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

    def project(self, image_PNC: Tensor, size_PN: Tensor | None = None) -> list[KeyValue]:
        """As in `FusionEncoder`, one entry for each pair of layers."""
        return [layer.project(image_PNC, size_PN) for layer in self.layers[::2]]

    def _through_layers(
        self, x_BLC: Tensor, mask_BL: Tensor, keys_values: list[KeyValue], image_index: Tensor | None, first: int | None
    ) -> Tensor:
        """`image_index`, (B, 2): the first and the second image of each text."""
        if image_index is None:
            raise ValueError('a PairedFusionEncoder needs image_index (B, 2): which two images each text meets')
        for layer, other, key_value in zip(self.layers[::2], self.layers[1::2], keys_values, strict=True):
            x_BLC = layer(x_BLC, mask_BL, key_value, image_index[:, 0])
            last = first if other is self.layers[-1] else None
            x_BLC = other(x_BLC, mask_BL, key_value, image_index[:, 1], first=last)
        return x_BLC

    @staticmethod
    def doubled(state: dict[str, Tensor], prefix: str = 'multimodal_backbone.') -> dict[str, Tensor]:
        """A state dict in which the layers of a `FusionEncoder` below `prefix` have become pairs."""
        layers = f'{prefix}layers.'
        doubled = {key: value for key, value in state.items() if not key.startswith(layers)}
        for key, value in state.items():
            if key.startswith(layers):
                number, rest = key.removeprefix(layers).split('.', 1)
                doubled |= {f'{layers}{2 * int(number) + side}.{rest}': value for side in range(2)}
        return doubled
