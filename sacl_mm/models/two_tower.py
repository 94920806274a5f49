"""Image and text encoder with projections to the common space; student, teacher and reference model are built from it.

Shapes: B images, N image tokens (after a first token for the whole image), T texts, L text tokens, C width, E embedding.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.functional.settings import check_optional_count
from sacl_mm.layers.checkpointing import in_checkpointed_chunks
from sacl_mm.models.heads import PooledHead
from sacl_mm.models.losses import FeaturePair
from sacl_mm.registry import MODELS


class Encoded(NamedTuple):
    """A batch from one tower."""

    tokens: Tensor
    """(B, 1 + N, C) of images or (T, L, C) of texts."""
    feature: Tensor | None
    """(B, E) or (T, E), unit length; None without a common space."""
    sizes: Tensor | None = None
    """(B, 1 + N): how many of an image's tokens each stands for, if the backbone merged some; None: one each."""

    def rows(self, index: slice | Tensor) -> 'Encoded':
        return Encoded._make(None if x is None else x[index] for x in self)


def feature_pair(image: Encoded, text: Encoded) -> FeaturePair:
    """Both towers' features; for towers with a common space."""
    assert image.feature is not None
    assert text.feature is not None
    return FeaturePair(image.feature, text.feature)


@MODELS.register_module()
class TwoTower(BaseModule):
    """Image encoder (vision backbone and neck), text backbone, and for each a linear projection of the first token,
    L2-normalised.

    Args:
        vision_backbone: one of mmpretrain, timm (`mmpretrain.TIMMBackbone`) or this library; None if the "images" are stored
            outputs of a frozen backbone (`LoadImageGrid`, `LoadImageTokens`).
        neck: turns the backbone's output into tokens; has `out_channels`.
        text_backbone: has `width`.
        embed_dims: E; None: no projections, for tasks without a contrastive loss.
        image_head, text_head: options of a `PooledHead` (all but its sizes) that replaces the projection of the first token;
            the image head reads the backbone's output.
        freeze_backbone: keep the vision backbone's weights and statistics as they are; only neck and projection learn. This
            includes the `text_queries` of a `TokenReducedViT` with `guide='both'`: untrained, they have no effect.
        checkpoint_rows: number of images, and of texts, encoded at a time in training; their activations are recomputed in the
            backward pass. A batch then needs the memory of a few rows and one more forward pass; loss and gradient are the
            same.

    Raises:
        ValueError: in training, for `checkpoint_rows` and a backbone with batch normalisation that is not frozen.
    """

    def __init__(
        self,
        vision_backbone: dict | None,
        neck: dict,
        text_backbone: dict,
        embed_dims: int | None = 256,
        image_head: dict | None = None,
        text_head: dict | None = None,
        freeze_backbone: bool = False,
        checkpoint_rows: int | None = None,
    ) -> None:
        super().__init__()
        check_optional_count('embed_dims', embed_dims)
        check_optional_count('checkpoint_rows', checkpoint_rows)
        load_mmpretrain()
        self.vision_backbone = nn.Identity() if vision_backbone is None else MODELS.build(vision_backbone)
        self.neck = MODELS.build(neck)
        self.text_backbone = MODELS.build(text_backbone)
        self.image_projection = self.text_projection = None
        self.embed_dims = embed_dims
        if embed_dims is not None:
            self.image_projection = (
                nn.Linear(self.neck.out_channels, embed_dims)
                if image_head is None
                else PooledHead(self.neck.in_channels, embed_dims, **image_head)
            )
            self.text_projection = (
                nn.Linear(self.text_backbone.width, embed_dims)
                if text_head is None
                else PooledHead(self.text_backbone.width, embed_dims, **text_head)
            )
        self.freeze_backbone = freeze_backbone
        self.checkpoint_rows = checkpoint_rows
        if freeze_backbone:
            self.vision_backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> 'TwoTower':
        super().train(mode)
        if self.freeze_backbone:
            self.vision_backbone.eval()
        return self

    def forward(self, images_BCHW: Tensor, token_ids_TL: Tensor, mask_TL: Tensor) -> tuple[Encoded, Encoded]:
        """Both towers' outputs. With a text-guided backbone (`TokenReducedViT`) text b guides image b, and if there are twice
        as many images as texts, images b and T + b."""
        text = self.encode_text(token_ids_TL, mask_TL)
        guide_BC = None
        if self.is_text_guided:
            guide_BC = text.tokens[:, 0].repeat(2 if len(images_BCHW) == 2 * len(token_ids_TL) else 1, 1)
        return self.encode_image(images_BCHW, guide_BC), text

    @property
    def is_text_guided(self) -> bool:
        """Whether the vision backbone needs the images' texts."""
        return getattr(self.vision_backbone, 'text_guided', False)  # other libraries' backbones lack it

    def encode_image(self, images_BCHW: Tensor, guide_BC: Tensor | None = None) -> Encoded:
        """`guide_BC`: first tokens of the images' texts, for a text-guided backbone only."""
        if self.checkpoint_rows is not None and torch.is_grad_enabled():
            self._check_rows_are_independent()
        return Encoded._make(in_checkpointed_chunks(self._encode_image, self.checkpoint_rows, images_BCHW, guide_BC))

    def encode_text(self, token_ids_TL: Tensor, mask_TL: Tensor) -> Encoded:
        return Encoded._make(in_checkpointed_chunks(self._encode_text, self.checkpoint_rows, token_ids_TL, mask_TL))

    def _check_rows_are_independent(self) -> None:
        normalised = [
            m for m in self.vision_backbone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training
        ]
        if normalised:
            raise ValueError(
                f'checkpoint_rows={self.checkpoint_rows} would make the statistics of batch normalisation those of a few '
                "rows, and count them twice: set the backbone's norm_eval=True or norm_cfg=dict(type='GN', num_groups=32), "
                'or freeze_backbone=True'
            )

    def _encode_image(self, images_BCHW: Tensor, guide_BC: Tensor | None) -> Encoded:
        if images_BCHW.ndim == 4:  # else stored tokens (B, 1 + N, C)
            # Convolutions run faster in this layout, on CPUs and in mixed precision on GPUs.
            images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
        features = self.vision_backbone(images_BCHW, *([guide_BC] if self.is_text_guided else []))
        tokens_BNC = self.neck(features)[-1]
        sizes_BN = getattr(features, 'sizes', None)  # of `MergedTokens`
        if sizes_BN is not None and sizes_BN.shape[1] != tokens_BNC.shape[1]:
            raise ValueError(
                f'the backbone merges tokens, of which {sizes_BN.shape[1]} are left, and the neck makes '
                f'{tokens_BNC.shape[1]} of them, so that nobody knows how many each stands for: let one of them reduce'
            )
        if isinstance(self.image_projection, PooledHead):
            last = features[-1] if isinstance(features, (tuple, list)) else features
            grid_BNC = last.flatten(2).transpose(1, 2) if last.ndim == 4 else last
            feature_BE = F.normalize(self.image_projection(grid_BNC, size_BN=sizes_BN), dim=-1)
            return Encoded(tokens_BNC, feature_BE, sizes_BN)
        return Encoded(tokens_BNC, _of_first_token(tokens_BNC, self.image_projection), sizes_BN)

    def _encode_text(self, token_ids_TL: Tensor, mask_TL: Tensor) -> Encoded:
        tokens_TLC = self.text_backbone(token_ids_TL, mask_TL)
        if isinstance(self.text_projection, PooledHead):
            return Encoded(tokens_TLC, F.normalize(self.text_projection(tokens_TLC, mask_TL), dim=-1))
        return Encoded(tokens_TLC, _of_first_token(tokens_TLC, self.text_projection))


def _of_first_token(tokens_BNC: Tensor, projection: nn.Linear | None) -> Tensor | None:
    return None if projection is None else F.normalize(projection(tokens_BNC[:, 0]), dim=-1)
