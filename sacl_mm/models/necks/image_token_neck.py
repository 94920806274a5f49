"""From the output of any backbone to one sequence of image tokens.

Shapes: B images, C channels of the backbone, H x W grid, N = H * W, E output width.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.functional.settings import check_count, check_heads, check_optional_count
from sacl_mm.registry import MODELS


@MODELS.register_module()
class ImageTokenNeck(BaseModule):
    """Tokens (B, 1 + N, E), the first of which stands for the whole image.

    * A ViT's output (B, 1 + N, C) (mmpretrain: `out_type='raw'`) is kept as it is, or projected to `out_channels`.
    * A CNN's grid (B, C, H, W) is projected to `out_channels` and becomes N tokens after a mean token; the grid's tokens get
      fixed sine-cosine positions, which convolutions lack. Of several stages the last is taken.

    Args:
        in_channels: C.
        out_channels: E; None keeps tokens as they are (then E = C).
        num_layers: transformer layers over the projected tokens, so that the first token attends to a CNN's grid and its
            positions.
        num_heads: of these layers.
    """

    def __init__(
        self, in_channels: int, out_channels: int | None = None, num_layers: int = 0, num_heads: int = 4
    ) -> None:
        super().__init__()
        check_count('in_channels', in_channels)
        check_optional_count('out_channels', out_channels)
        check_count('num_layers', num_layers, least=0)
        if num_layers and out_channels is None:
            raise ValueError('num_layers needs out_channels')
        self.in_channels, self.out_channels = in_channels, out_channels or in_channels
        if num_layers:
            check_heads(self.out_channels, num_heads)
        self.projection = None if out_channels is None else nn.Linear(in_channels, out_channels)
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    self.out_channels,
                    num_heads,
                    4 * self.out_channels,
                    dropout=0.0,
                    activation='gelu',
                    batch_first=True,
                    norm_first=True,
                )
                for _ in range(num_layers)
            )
        )
        self.norm = nn.Identity() if out_channels is None else nn.LayerNorm(out_channels)

    def forward(self, features: Tensor | tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor]:
        last = features[-1] if isinstance(features, (tuple, list)) else features
        if last.ndim == 3:
            return (last if self.projection is None else self.norm(self.layers(self.projection(last))),)
        if last.ndim != 4:
            raise ValueError(
                f'the backbone must yield tokens (B, 1 + N, C) or a grid (B, C, H, W), got {tuple(last.shape)}; '
                "for mmpretrain's VisionTransformer set out_type='raw'"
            )
        if self.projection is None:
            raise ValueError('the backbone yields a grid: give ImageTokenNeck the out_channels to project it to')
        grid_BNE = self.projection(last.flatten(2).transpose(1, 2))
        positions_NE = sine_cosine_positions(last.shape[2], last.shape[3], self.out_channels).to(grid_BNE)
        tokens_BNE = torch.cat([grid_BNE.mean(1, keepdim=True), grid_BNE + positions_NE], dim=1)
        return (self.norm(self.layers(tokens_BNE)),)


def sine_cosine_positions(height: int, width: int, channels: int) -> Tensor:
    """(H * W, channels): a quarter each of sin and cos of the row's and the column's position (MAE, arXiv 2111.06377)."""
    if channels % 4:
        raise ValueError(f'positions need a multiple of 4 channels, got {channels}')
    frequencies = 1e-4 ** (torch.arange(channels // 4) / (channels // 4))
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    angles = [axis.flatten()[:, None] * frequencies for axis in (rows, columns)]
    return torch.cat([function(angle) for angle in angles for function in (torch.sin, torch.cos)], dim=1)
