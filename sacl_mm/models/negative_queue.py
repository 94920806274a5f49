"""A queue of past batches' features as further negatives (MoCo, arXiv 1911.05722; ALBEF)."""

import torch
from torch import Tensor, nn

from sacl_mm.functional.settings import check_count
from sacl_mm.models.losses import FeaturePair, NegativeBank


class NegativeQueue(nn.Module):
    """First in, first out; everything, the write position too, is a buffer, so that a checkpoint holds all of it.

    Args:
        size: how many pairs it holds.
        embed_dims: of the features.
        with_reference: also hold the reference model's features.
    """

    def __init__(self, size: int, embed_dims: int, with_reference: bool = False) -> None:
        super().__init__()
        check_count('queue size', size)
        check_count('embed_dims', embed_dims)
        self.size = size
        for name in ('image', 'text') + (('reference_image', 'reference_text') if with_reference else ()):
            self.register_buffer(name, torch.zeros(size, embed_dims))
        # -1 marks a slot that was never filled.
        self.register_buffer('image_ids', torch.full((size,), -1))
        self.register_buffer('text_ids', torch.full((size,), -1))
        self.register_buffer('position', torch.zeros((), dtype=torch.long))
        self.with_reference = with_reference

    def bank(self) -> NegativeBank:
        reference = FeaturePair(self.reference_image, self.reference_text) if self.with_reference else None
        return NegativeBank(FeaturePair(self.image, self.text), self.image_ids, self.text_ids, reference)

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
