"""The frozen reference model H."""

import torch
from torch import Tensor, nn

from sacl_mm.checkpoints.weights import check_finite_weights, read_state_dict
from sacl_mm.models.losses import FeaturePair
from sacl_mm.models.starting_weights import mismatches
from sacl_mm.models.strict_loading import advice
from sacl_mm.models.two_tower import TwoTower, feature_pair
from sacl_mm.user_error import UserError


class FrozenReference(nn.Module):
    """Two towers trained elsewhere that only tell how similar an image and a text are.

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
            UserError: no such file, no towers of this shape in it, or weights that are not finite.
        """
        try:
            state = read_state_dict(self.checkpoint, 'reference checkpoint')
        except FileNotFoundError:
            raise UserError(
                f"reference checkpoint '{self.checkpoint}' does not exist: train it first, as the head of the configuration "
                "says, or set the policy's alpha=0, which needs none"
            ) from None
        towers = {key.removeprefix('towers.'): value for key, value in state.items() if key.startswith('towers.')}
        if not towers:
            raise UserError(f"reference checkpoint '{self.checkpoint}' holds no towers")
        for kind, keys in mismatches(towers, self.towers.state_dict()).items():
            if keys:
                raise UserError(
                    f"reference checkpoint '{self.checkpoint}' does not fit the towers; {len(keys)} weights {kind}, the first "
                    f'is {keys[0]}. {advice(state)}'
                )
        check_finite_weights(towers, f"reference checkpoint '{self.checkpoint}'")
        self.towers.load_state_dict(towers)

    @torch.no_grad()
    def forward(self, images_BCHW: Tensor, token_ids_TL: Tensor, mask_TL: Tensor) -> FeaturePair:
        return feature_pair(*self.towers(images_BCHW, token_ids_TL, mask_TL))
