"""A queue of features of past batches, as additional negatives (MoCo, arXiv 1911.05722; ALBEF)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sacl_mm.functional.settings import check_count
from sacl_mm.models.losses import FeaturePair, NegativeBank


class NegativeQueue(nn.Module):
    """A first-in, first-out queue. Its rows and its write position are buffers, so checkpoints hold them.

    Args:
        size: number of pairs.
        embed_dims: of the features.
        evidence_dims: evidence for a policy to store with the features: the width of its rows, by name.
    """

    image: Tensor
    text: Tensor
    image_ids: Tensor
    text_ids: Tensor
    position: Tensor

    def __init__(self, size: int, embed_dims: int, evidence_dims: Mapping[str, int] | None = None) -> None:
        super().__init__()
        check_count('queue size', size)
        check_count('embed_dims', embed_dims)
        self.size = size
        self.evidence_dims = dict(evidence_dims or {})
        widths = {'': embed_dims} | {f'{name}_': width for name, width in self.evidence_dims.items()}
        for prefix, width in widths.items():
            self.register_buffer(f'{prefix}image', torch.zeros(size, width))
            self.register_buffer(f'{prefix}text', torch.zeros(size, width))
        # -1 marks a slot that was never filled.
        self.register_buffer('image_ids', torch.full((size,), -1))
        self.register_buffer('text_ids', torch.full((size,), -1))
        self.register_buffer('position', torch.zeros((), dtype=torch.long))

    def bank(self) -> NegativeBank:
        """The queue as the loss takes it. Its features are the momentum teacher's, so they are the evidence 'teacher', too."""
        features = FeaturePair(self.image, self.text)
        evidence = {
            name: FeaturePair(self.get_buffer(f'{name}_image'), self.get_buffer(f'{name}_text'))
            for name in self.evidence_dims
        }
        return NegativeBank(features, self.image_ids, self.text_ids, dict(teacher=features) | evidence)

    @torch.no_grad()
    def enqueue(self, entries: dict[str, Tensor]) -> None:
        """Overwrite the oldest entries; `entries` maps every buffer's name but `position` to rows, at most `size` of them."""
        count = len(entries['image_ids'])
        if count > self.size:
            raise ValueError(f'a queue of {self.size} cannot take a batch of {count}: make it larger')
        slots = (self.position + torch.arange(count, device=self.position.device)) % self.size
        for name, rows in entries.items():
            getattr(self, name)[slots] = rows.to(getattr(self, name).dtype)
        self.position.add_(count).remainder_(self.size)
