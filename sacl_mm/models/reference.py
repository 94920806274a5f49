"""The frozen reference model H."""

import torch
from torch import Tensor, nn

from sacl_mm.models.losses import FeaturePair
from sacl_mm.models.two_tower import TwoTower


class FrozenReference(nn.Module):
    """Two towers trained elsewhere that only tell how similar a picture and a text are.

    Args:
        towers: of the same shape as in the checkpoint.
        checkpoint: of a `DualEncoder` or `SACLPretrain`. Read by `load`, so that a model can be built for testing without.
    """

    def __init__(self, towers: TwoTower, checkpoint: str) -> None:
        super().__init__()
        self.towers = towers.requires_grad_(False).eval()
        self.checkpoint = checkpoint

    def train(self, mode: bool = True) -> 'FrozenReference':
        return super().train(False)

    def load(self) -> None:
        """Read the towers' weights from the checkpoint.

        Raises:
            FileNotFoundError, ValueError: no such file, or no towers of this shape in it.
        """
        try:
            checkpoint = torch.load(self.checkpoint, map_location='cpu', weights_only=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"reference checkpoint '{self.checkpoint}' does not exist: train it first "
                "(configs/sacl/pretrain_reference.py) or set the policy's alpha=0, which needs none"
            ) from error
        state = checkpoint.get('state_dict', checkpoint)
        state = {key.removeprefix('towers.'): value for key, value in state.items() if key.startswith('towers.')}
        try:
            self.towers.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"reference checkpoint '{self.checkpoint}' does not fit the towers: {error}") from error

    @torch.no_grad()
    def forward(self, images_BCHW: Tensor, token_ids_TL: Tensor, mask_TL: Tensor) -> FeaturePair:
        return FeaturePair(*(encoded.feature for encoded in self.towers.encode(images_BCHW, token_ids_TL, mask_TL)))
