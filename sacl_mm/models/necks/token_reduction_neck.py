"""Fewer image tokens for the fusion encoder, from any image encoder."""

from mmengine.model import BaseModule
from torch import Tensor

from sacl_mm.layers.token_reduction import guided_score, reduce_tokens
from sacl_mm.registry import MODELS


@MODELS.register_module()
class TokenReductionNeck(BaseModule):
    """Keeps the tokens of another neck that resemble its first one the most, and fuses the rest into one.

    Features of a picture stay independent of texts. What it saves is in the fusion encoder: keys and values.

    Args:
        neck: the neck whose tokens are reduced, e.g. an `ImageTokenNeck`.
        keep_rate: share of the tokens after the first that stay.
        fuse: whether the others become a token; without, they are gone.
    """

    def __init__(self, neck: dict, keep_rate: float = 0.5, fuse: bool = True) -> None:
        super().__init__()
        if not 0 < keep_rate <= 1:
            raise ValueError(f'keep_rate must be in (0, 1], got {keep_rate}')
        self.neck = MODELS.build(neck)
        self.in_channels, self.out_channels = self.neck.in_channels, self.neck.out_channels
        self.keep_rate, self.fuse = keep_rate, fuse

    def forward(self, features: Tensor | tuple[Tensor, ...] | list[Tensor]) -> Tensor:
        """(B, 1 + K, C), or (B, 2 + K, C) with the fused token."""
        tokens_BNC = self.neck(features)
        return reduce_tokens(tokens_BNC, guided_score(tokens_BNC[:, 0], tokens_BNC), self.keep_rate, self.fuse)
