"""Fewer image tokens for the fusion encoder, with any vision backbone."""

from torch import Tensor

from sacl_mm.functional.settings import check_number
from sacl_mm.layers.token_reduction import guided_score, reduce_tokens
from sacl_mm.models.necks.image_token_neck import ImageTokenNeck
from sacl_mm.registry import MODELS


@MODELS.register_module()
class TokenReductionNeck(ImageTokenNeck):
    """An `ImageTokenNeck`, with the same weights, that keeps the tokens most similar to the first one and fuses the rest into
    one.

    An image's features stay independent of texts. It saves keys and values in the fusion encoder.

    Args:
        in_channels, out_channels, num_layers, num_heads: as in `ImageTokenNeck`.
        keep_rate: share of the tokens after the first that stay.
        fuse: whether the other tokens are fused into one (True) or dropped.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        num_layers: int = 0,
        num_heads: int = 4,
        keep_rate: float = 0.5,
        fuse: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, num_layers, num_heads)
        check_number('keep_rate', keep_rate, '(0, 1]')
        self.keep_rate, self.fuse = keep_rate, fuse

    def forward(self, features: Tensor | tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor]:
        """((B, 1 + K, E),), or ((B, 2 + K, E),) with the fused token."""
        (tokens_BNE,) = super().forward(features)
        score_BN = guided_score(tokens_BNE[:, 0], tokens_BNE)
        return (reduce_tokens(tokens_BNE, score_BN, self.keep_rate, self.fuse),)
