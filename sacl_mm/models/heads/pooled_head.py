"""A feature for the common space from all of an image's or text's tokens. Shapes: B items, N tokens, C width, E embedding."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.functional.settings import check_count, check_number
from sacl_mm.registry import MODELS


class ResidualHead(nn.Module):
    """A linear map plus a two-layer perceptron, both of the normalised features."""

    def __init__(self, dims: int, hidden: int, out: int, dropout: float, input_dropout: float) -> None:
        super().__init__()
        for name, size in (('input size', dims), ('hidden', hidden), ('embed_dims', out)):
            check_count(name, size)
        check_number('dropout', dropout, '[0, 1)')
        check_number('input_dropout', input_dropout, '[0, 1)')
        self.prepare = nn.Sequential(nn.LayerNorm(dims), nn.Dropout(input_dropout))
        self.linear = nn.Linear(dims, out)
        self.perceptron = nn.Sequential(nn.Linear(dims, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, out))

    def forward(self, features: Tensor) -> Tensor:
        features = self.prepare(features)
        return self.linear(features) + self.perceptron(features)


@MODELS.register_module()
class PooledHead(BaseModule):
    """Mean, or mean and maximum, over the tokens, and a `ResidualHead` on top; for encoders that are frozen, or whose first
    token was not trained to stand for the whole.

    Args:
        in_channels: C.
        embed_dims: E.
        maximum: also the maximum over the tokens.
        hidden: width of the head's hidden layer.
        dropout: on the hidden layer.
        input_dropout: on the pooled features.
    """

    def __init__(
        self,
        in_channels: int,
        embed_dims: int,
        maximum: bool = False,
        hidden: int = 1024,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.maximum = maximum
        self.head = ResidualHead((1 + maximum) * in_channels, hidden, embed_dims, dropout, input_dropout)

    def forward(self, tokens_BNC: Tensor, mask_BN: Tensor | None = None, size_BN: Tensor | None = None) -> Tensor:
        """(B, E), not normalised. `mask_BN` is False where a text is padded; `size_BN` is how many tokens each image token
        stands for in the mean."""
        if size_BN is not None:
            pooled = [(tokens_BNC * (size_BN / size_BN.sum(dim=1, keepdim=True))[..., None]).sum(dim=1)]
        else:
            count_B1 = tokens_BNC.shape[1] if mask_BN is None else mask_BN.sum(dim=1, keepdim=True)
            pooled = [_padded_with(0.0, tokens_BNC, mask_BN).sum(dim=1) / count_B1]
        if self.maximum:
            pooled.append(_padded_with(-torch.inf, tokens_BNC, mask_BN).amax(dim=1))
        return self.head(torch.cat(pooled, dim=1))


def _padded_with(value: float, tokens_BNC: Tensor, mask_BN: Tensor | None) -> Tensor:
    return tokens_BNC if mask_BN is None else tokens_BNC.masked_fill(~mask_BN[..., None], value)
