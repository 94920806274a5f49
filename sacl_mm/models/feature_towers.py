"""Two frozen encoders and a head on each: training at the cost of the heads alone, once the encoders' features are cached.

Shapes: B images, T texts, L tokens, D or D_t features, E embedding.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.models.heads import ResidualHead
from sacl_mm.models.two_tower import Encoded
from sacl_mm.registry import MODELS


@MODELS.register_module()
class FeatureTowers(BaseModule):
    """The towers of a `DualEncoder` whose encoders stay as they are; a residual two-layer head for each side learns.

    Images and texts may be given as pixels and token ids, or as features that were computed once (`CachedFeatures`): the
    result is the same, up to the precision of what is stored.

    Args:
        image_dims: D, see `pool_stages`.
        text_dims: D_t, the width of the text encoder.
        hidden: width of the heads' hidden layer.
        embed_dims: E.
        dropout: on the hidden layer.
        input_dropout: on the features.
        image_encoder, text_encoder: the frozen encoders, a backbone that yields grids (B, C, H, W) and one that yields tokens
            (T, L, D_t) from token ids and mask; None, for both: features are all that comes in.
    """

    is_text_guided = False

    def __init__(
        self,
        image_dims: int,
        text_dims: int,
        hidden: int = 1024,
        embed_dims: int = 512,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        image_encoder: dict | None = None,
        text_encoder: dict | None = None,
    ) -> None:
        super().__init__()
        if (image_encoder is None) != (text_encoder is None):
            raise ValueError('give image_encoder and text_encoder, or neither')
        self.embed_dims = embed_dims
        self.image_head = ResidualHead(image_dims, hidden, embed_dims, dropout, input_dropout)
        self.text_head = ResidualHead(text_dims, hidden, embed_dims, dropout, input_dropout)
        self.image_encoder = self.text_backbone = None
        if image_encoder is not None:
            load_mmpretrain()
            self.image_encoder = MODELS.build(image_encoder).requires_grad_(False)
            self.text_backbone = MODELS.build(text_encoder).requires_grad_(False)

    def train(self, mode: bool = True) -> 'FeatureTowers':
        super().train(mode)
        for encoder in (self.image_encoder, self.text_backbone):
            if encoder is not None:
                encoder.eval()
        return self

    def forward(self, images: Tensor, token_ids: Tensor, mask: Tensor | None) -> tuple[Encoded, Encoded]:
        """Images and texts, as `TwoTower` encodes them."""
        return self.encode_image(images), self.encode_text(token_ids, mask)

    def encode_image(self, images: Tensor) -> Encoded:
        """Of images (B, 3, H, W) or features (B, D)."""
        features_BD = images if images.ndim == 2 else self.image_features(images)
        return Encoded(features_BD[:, None], F.normalize(self.image_head(features_BD), dim=-1))

    def encode_text(self, token_ids: Tensor, mask: Tensor | None = None) -> Encoded:
        """Of token ids (T, L) with their mask, or of features (T, D_t)."""
        features_TD = token_ids if mask is None else self.text_features(token_ids, mask)
        return Encoded(features_TD[:, None], F.normalize(self.text_head(features_TD), dim=-1))

    @torch.no_grad()
    def image_features(self, images_BCHW: Tensor) -> Tensor:
        """(B, D), of the frozen encoder."""
        if self.image_encoder is None:
            raise ValueError('these FeatureTowers have no image_encoder: they take features, no images')
        return pool_stages(self.image_encoder(images_BCHW.contiguous(memory_format=torch.channels_last)))

    @torch.no_grad()
    def text_features(self, token_ids_TL: Tensor, mask_TL: Tensor) -> Tensor:
        """(T, D_t), of the frozen encoder."""
        if self.text_backbone is None:
            raise ValueError('these FeatureTowers have no text_encoder: they take features, no texts')
        return pool_tokens(self.text_backbone(token_ids_TL, mask_TL), mask_TL)


def pool_stages(stages: Sequence[Tensor]) -> Tensor:
    """(B, D) from a backbone's grids (B, C, H, W): the mean of each and the maximum of the last, each of these normalised to
    mean 0 and variance 1."""
    pooled = [grid.float().mean((2, 3)) for grid in stages] + [stages[-1].float().amax((2, 3))]
    return torch.cat([F.layer_norm(block, block.shape[1:]) for block in pooled], dim=1)


def pool_tokens(tokens_TLC: Tensor, mask_TL: Tensor) -> Tensor:
    """(T, C): the mean of the tokens, normalised as above."""
    weight = mask_TL[:, :, None].float()
    mean = (tokens_TLC.float() * weight).sum(1) / weight.sum(1)
    return F.layer_norm(mean, mean.shape[1:])
