"""One direction of the loss: its anchors and candidates, and what a policy may know of them.

Shapes: A anchors, M candidates, R and C of them in a tile, D features.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sacl_mm.functional.distributed import gather, rank
from sacl_mm.models.losses.candidates import CandidatePair, Candidates, normalised
from sacl_mm.models.losses.pairs import ContrastivePairs, FeaturePair, NegativeBank


class PairIds(NamedTuple):
    """Of which image and text each anchor and candidate is. Equal images are positives of each other."""

    anchor_images_A: Tensor
    candidate_images_M: Tensor
    anchor_texts_A: Tensor | None
    candidate_texts_M: Tensor | None


def pair_ids(
    batch: int, device: torch.device, image_ids_A: Tensor | None, text_ids_A: Tensor | None, bank: NegativeBank | None
) -> PairIds:
    """The ids of a batch's pairs as anchors, and of all processes' and a bank's as candidates. Without ids, pair i matches
    pair i alone."""
    if image_ids_A is None:
        image_ids_A = torch.arange(batch, device=device) + batch * rank()
    image_ids_M, text_ids_M = gather(image_ids_A), None if text_ids_A is None else gather(text_ids_A)
    if bank is not None:
        image_ids_M = torch.cat([image_ids_M, bank.image_ids])
        if text_ids_M is not None:
            text_ids_M = None if bank.text_ids is None else torch.cat([text_ids_M, bank.text_ids])
    return PairIds(image_ids_A, image_ids_M, text_ids_A, text_ids_M)


class OtherView(NamedTuple):
    """Anchors and candidates as another model sees them, without gradient."""

    anchors_AD: Tensor
    candidates: Candidates


def other_view(
    anchors: FeaturePair | None, candidates: CandidatePair | None, anchors_are_images: bool
) -> OtherView | None:
    if anchors is None or candidates is None:
        return None
    image_AD, text_AD = normalised(anchors)
    if anchors_are_images:
        return OtherView(image_AD.detach(), candidates.text)
    return OtherView(text_AD.detach(), candidates.image)


@dataclass
class Direction:
    """Images as anchors and texts as candidates, or the other way round."""

    anchors_are_images: bool
    ids: PairIds
    temperature: Tensor
    progress: float
    has_empty_slots: bool
    """Whether some candidates may have the id -1: they take no part."""
    reference: OtherView | None = None
    teacher: OtherView | None = None

    @torch.no_grad()
    def pairs(self, rows: slice, columns: slice, similarity_RC: Tensor) -> ContrastivePairs:
        """What a policy is told of some anchors and some candidates."""
        anchor_images_R, candidate_images_C = self.ids.anchor_images_A[rows], self.ids.candidate_images_M[columns]
        positive_RC = anchor_images_R[:, None] == candidate_images_C[None, :]
        valid_RC, negative_RC = None, ~positive_RC
        if self.has_empty_slots:
            valid_RC = (candidate_images_C >= 0).expand_as(positive_RC)
            negative_RC &= valid_RC
        anchor_texts_A, candidate_texts_M = self.ids.anchor_texts_A, self.ids.candidate_texts_M
        return ContrastivePairs(
            similarity_AM=similarity_RC,
            temperature=self.temperature,
            positive_AM=positive_RC,
            negative_AM=negative_RC,
            valid_AM=valid_RC,
            progress=self.progress,
            reference_similarity_AM=_similarity(self.reference, rows, columns),
            teacher_similarity_AM=_similarity(self.teacher, rows, columns),
            anchors_are_images=self.anchors_are_images,
            anchor_image_ids=anchor_images_R,
            anchor_text_ids=None if anchor_texts_A is None else anchor_texts_A[rows],
            candidate_image_ids=candidate_images_C,
            candidate_text_ids=None if candidate_texts_M is None else candidate_texts_M[columns],
        )


def _similarity(view: OtherView | None, rows: slice, columns: slice) -> Tensor | None:
    return None if view is None else view.candidates.similarity(view.anchors_AD[rows], columns)
