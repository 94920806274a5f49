"""One side of all pairs: images or texts, as anchors or as candidates. Shapes: A anchors, M candidates, R x C a block."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sacl_mm.models.losses.anchor_sums import AnchorSums


@dataclass
class Side:
    """Some images, or some texts; every tensor has a row for each."""

    features: Tensor
    """(N, D), unit rows if `lengths` is None."""
    image_ids: Tensor
    text_ids: Tensor | None
    evidence: dict[str, Tensor]
    lengths: Tensor | None = None
    """(N,), norms of the features: a bank may be large, so its similarities are normalised instead of its rows."""
    sums: AnchorSums | None = None
    """Set for anchors."""
    gradient: Tensor | None = None
    """(N, D), of the loss with respect to the features, if they need one."""

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, part: slice) -> 'Side':
        """A slice, which shares sums and gradient with the whole."""
        return Side(
            features=self.features[part],
            image_ids=self.image_ids[part],
            text_ids=None if self.text_ids is None else self.text_ids[part],
            evidence={name: x[part] for name, x in self.evidence.items()},
            lengths=None if self.lengths is None else self.lengths[part],
            sums=None if self.sums is None else self.sums.rows(part),
            gradient=None if self.gradient is None else self.gradient[part],
        )

    def add_gradient(self, of_logit_RC: Tensor, others: 'Side') -> None:
        """What a block's gradient with respect to the logits adds to that of these rows' features."""
        if self.gradient is not None:
            scaled_RC = of_logit_RC if others.lengths is None else of_logit_RC / others.lengths
            self.gradient.addmm_(scaled_RC, others.features)


def count_positives(anchors: Side, candidates: list[Side]) -> tuple[Tensor, Tensor]:
    """How many positives and negatives each anchor has, (A,) each, without comparing all pairs."""
    ids_M = torch.cat([side.image_ids for side in candidates]).sort().values
    first_A, end_A = (torch.searchsorted(ids_M, anchors.image_ids, right=right) for right in (False, True))
    positives_A = (end_A - first_A).to(anchors.features.dtype)
    return positives_A, (ids_M >= 0).sum() - positives_A
