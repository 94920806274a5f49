"""Two heads over cached features: training on frozen encoders at the cost of the heads alone.

Shapes: B images, T texts, D or D_t features, E embedding.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor, BaseModule
from torch import Tensor

from sacl_mm.models.heads import ResidualHead
from sacl_mm.models.two_tower import Encoded
from sacl_mm.registry import MODELS


@MODELS.register_module()
class FeatureTowers(BaseModule):
    """The towers of a `DualEncoder` for `CachedFeatures`: a residual two-layer head for each side.

    Args:
        image_dims: D.
        text_dims: D_t.
        hidden: width of the heads' hidden layer.
        embed_dims: E.
        dropout: on the hidden layer.
        input_dropout: on the features.
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
    ) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        self.image_head = ResidualHead(image_dims, hidden, embed_dims, dropout, input_dropout)
        self.text_head = ResidualHead(text_dims, hidden, embed_dims, dropout, input_dropout)

    def forward(self, images: Tensor, token_ids: Tensor, mask: Tensor | None) -> tuple[Encoded, Encoded]:
        """Images and texts, as `TwoTower` encodes them."""
        return self.encode_image(images), self.encode_text(token_ids, mask)

    def encode_image(self, features_BD: Tensor) -> Encoded:
        return Encoded(features_BD[:, None], F.normalize(self.image_head(features_BD), dim=-1))

    def encode_text(self, features_TD: Tensor, mask: Tensor | None = None) -> Encoded:
        return Encoded(features_TD[:, None], F.normalize(self.text_head(features_TD), dim=-1))


@MODELS.register_module()
class FeaturePreprocessor(BaseDataPreprocessor):
    """As `ImageTextPreprocessor`, for cached features of images and texts in place of pixels and token ids."""

    def forward(self, data: dict, training: bool = False) -> dict:
        samples = data['data_samples']
        return dict(
            images=self.cast_data(torch.stack(data['inputs']).float()),
            token_ids=self.cast_data(torch.cat([sample.text_inputs for sample in samples]).float()),
            text_mask=None,
            image_ids=self.cast_data(torch.tensor([sample.image_id for sample in samples])),
            text_ids=self.cast_data(torch.tensor([text for sample in samples for text in sample.text_ids])),
            texts_per_image=[len(sample.text_inputs) for sample in samples],
            data_samples=samples,
        )
