"""Our contrastive loss for mmpretrain's self-supervised models, which compare two views of an image.

Shapes: B images, D features.
"""

from mmengine.model import BaseModule
from torch import Tensor

from sacl_mm.registry import MODELS


@MODELS.register_module()
class TwoViewContrastiveHead(BaseModule):
    """`head=dict(type='sacl_mm.TwoViewContrastiveHead')` for mmpretrain's `MoCoV3` or `BarlowTwins`.

    Row i of both views is the same image; all other rows are its negatives, weighted by the policy. The loss is the mean of
    both directions (`MoCoV3Head` has the first alone, at a fixed temperature).

    Args:
        contrastive_loss: a `SACLContrastiveLoss`, with self-regulated weights if not given. Its names are looked up in this
            library, whatever the config's scope.
        predictor: a neck that the first view's features go through first, as in `MoCoV3Head`.

    Raises:
        ValueError: for a policy that needs evidence, such as a teacher's or a reference model's features.
    """

    def __init__(self, contrastive_loss: dict | None = None, predictor: dict | None = None) -> None:
        super().__init__()
        self.contrastive_loss = MODELS.build(
            dict(contrastive_loss or dict(type='SACLContrastiveLoss'), _scope_='sacl_mm')
        )
        policy = self.contrastive_loss.policy
        if policy.needs_evidence:
            raise ValueError(
                f"{type(policy).__name__} needs the evidence {list(policy.needs_evidence)}, which mmpretrain's two-view "
                'models do not give'
            )
        self.predictor = None if predictor is None else MODELS.build(predictor)

    def loss(self, first_BD: Tensor, second_BD: Tensor) -> Tensor:
        if self.predictor is not None:
            (first_BD,) = self.predictor([first_BD])
        return self.contrastive_loss(first_BD, second_BD)
