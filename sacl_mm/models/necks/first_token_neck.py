"""The first token alone, as mmpretrain's heads take it. Shapes: B images, N positions, E width."""

from torch import Tensor, nn

from sacl_mm.registry import MODELS


@MODELS.register_module()
class FirstTokenNeck(nn.Module):
    """The token that stands for the whole image, ((B, 1 + N, E),) to ((B, E),): mmpretrain passes features as tuples.

    In its models: `neck=[dict(type='sacl_mm.ImageTokenNeck', ...), dict(type='sacl_mm.FirstTokenNeck')]`.
    """

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (features[-1][:, 0],)
