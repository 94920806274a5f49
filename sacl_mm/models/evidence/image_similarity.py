"""Evidence from the images alone: how similar a frozen backbone finds an image and the one that a caption was written for."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.functional.image_captions import ImageCaptions
from sacl_mm.models.evidence.base import NEEDS_HOOK, EvidenceSource, build_frozen
from sacl_mm.models.feature_towers import pool_stages
from sacl_mm.models.losses import FeaturePair
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError


@MODELS.register_module()
class ImageSimilarity(EvidenceSource):
    """The cosine of a frozen backbone's features of image i and of caption j's own image, pooled by `pool_stages`.

    Args:
        width: of the pooled features.
        backbone: yields grids (B, C, H, W); its weights come from its `init_cfg`, and images are normalised as for the model
            that is trained. None: the images are features of a frozen encoder already, as of `CachedFeatures`.
    """

    def __init__(self, width: int, backbone: dict | None = None) -> None:
        super().__init__()
        self.width, self.backbone = width, backbone
        self._built: list[nn.Module] = []

    def prepare(self, captions: Sequence[ImageCaptions]) -> None:
        if self.backbone is not None:
            load_mmpretrain()
            self._built = [build_frozen('backbone', self.backbone)]

    @torch.no_grad()
    def forward(self, batch: dict) -> FeaturePair:
        rows = F.normalize(self._features(batch['images']), dim=-1)
        owner = torch.arange(len(rows), device=rows.device).repeat_interleave(
            torch.tensor(batch['texts_per_image'], device=rows.device), output_size=len(batch['text_ids'])
        )
        return FeaturePair(rows, rows[owner])

    def _features(self, images: Tensor) -> Tensor:
        if self.backbone is None:
            if images.ndim != 2:
                raise ValueError('ImageSimilarity without a backbone reads cached features, and the batch has images')
            return images
        if not self._built:
            raise UserError(f'ImageSimilarity has not read its backbone: {NEEDS_HOOK}')
        return pool_stages(self._built[0](images))
