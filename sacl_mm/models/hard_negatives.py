"""Hard negatives for image-text matching.

Shapes: B pairs in the local batch, G = B * processes, E embedding; A anchors, M candidates.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sacl_mm.functional.distributed import gather
from sacl_mm.functional.keyed_random import has_negative, sample_hard_negatives
from sacl_mm.functional.settings import first_and_last
from sacl_mm.models.losses import FeaturePair
from sacl_mm.models.losses.pairs import ContrastivePairs, Evidence
from sacl_mm.models.losses.policies import NegativePolicy
from sacl_mm.models.losses.policies.base import check_policy
from sacl_mm.models.losses.policies.weights_alone import answered_besides_weights, besides_weights


class HardNegatives(NamedTuple):
    """(B,) each: indices among all processes' pairs; 1 where the anchor has a negative, else 0."""

    text_B: Tensor
    image_B: Tensor
    has_text_B: Tensor
    has_image_B: Tensor


class HardNegativeSampler(nn.Module):
    """Draws a negative text for each image and a negative image for each text, from all processes, in proportion to
    w * exp(cosine / temperature) (ALBEF, arXiv 2107.07651, Sec. 3.2, with w = 1).

    The most similar negatives are the likeliest to be false. A policy whose w is low there, or 0, keeps them from being
    taught as pairs that don't match.

    Args:
        temperature: of the draws; a number, or (first, last) for a geometric progression over the training. None: that of the
            contrastive loss.
        policy: gives w from similarities, evidence and the temperature of the contrastive loss, such as `EvidenceRemoval`.
            None: w = 1.

    Raises:
        ValueError: for a temperature that is not positive, or a policy that does more than weigh pairs, or learns.
    """

    def __init__(
        self, temperature: float | Sequence[float] | None = None, policy: NegativePolicy | None = None
    ) -> None:
        super().__init__()
        self.ends = None if temperature is None else first_and_last('negative_temperature', temperature, '(0, inf)')
        self.policy = None if policy is None else check_policy('negative_policy', policy)
        if self.policy is None:
            return
        if what := besides_weights(self.policy):
            raise _not_weights_alone(self.policy, what)
        if any(True for _ in self.policy.parameters()):
            raise _not_weights_alone(self.policy, 'parameters, which a draw could not teach')

    def temperature(self, contrastive: Tensor, progress: float) -> float | Tensor:
        """The temperature at this point of the training.

        Args:
            contrastive: the temperature of the contrastive loss.
        """
        if self.ends is None:
            return contrastive
        first, last = self.ends
        return first * (last / first) ** progress

    @torch.no_grad()
    def forward(
        self,
        image_BE: Tensor,
        text_BE: Tensor,
        image_ids_B: Tensor,
        text_ids_B: Tensor,
        evidence: Mapping[str, FeaturePair],
        temperature: Tensor,
        progress: float,
        seed: int,
    ) -> HardNegatives:
        """The noise of the draws is a function of `seed` and the ids.

        Args:
            image_BE, text_BE: unit rows.
            evidence: by name, rows (B, width) of images and of texts.
            temperature: of the contrastive loss.
            progress: in [0, 1].
        """
        image_ids_G, text_ids_G = gather(image_ids_B), gather(text_ids_B)
        chosen, found = [], []
        for anchors_are_images in (True, False):
            cosine_BG = _product(FeaturePair(image_BE, text_BE), anchors_are_images)
            logits_BG = cosine_BG / self.temperature(temperature, progress)
            excluded_BG = image_ids_B[:, None] == image_ids_G
            if self.policy is not None:
                products = ((name, _product(evidence[name], anchors_are_images)) for name in self.policy.needs_evidence)
                pairs = ContrastivePairs(
                    similarity_AM=cosine_BG,
                    temperature=temperature,
                    anchor_image_ids=image_ids_B,
                    candidate_image_ids=image_ids_G,
                    anchor_text_ids=text_ids_B,
                    candidate_text_ids=text_ids_G,
                    evidence_AM=Evidence(products),
                    progress=progress,
                    anchors_are_images=anchors_are_images,
                )
                log_weights_BG = _log_weights(self.policy, pairs)
                excluded_BG = excluded_BG | (log_weights_BG == -torch.inf)
                logits_BG += log_weights_BG.masked_fill(excluded_BG, 0)
            noise_seed = 2 * seed + (not anchors_are_images)
            chosen.append(sample_hard_negatives(logits_BG, excluded_BG, text_ids_B, text_ids_G, noise_seed))
            found.append(has_negative(excluded_BG).float())
        return HardNegatives(*chosen, *found)


def _log_weights(policy: NegativePolicy, pairs: ContrastivePairs) -> Tensor:
    treatment = policy(pairs)
    if what := answered_besides_weights(treatment):
        raise _not_weights_alone(policy, what)
    return torch.zeros_like(pairs.similarity_AM) if treatment.log_weights_AM is None else treatment.log_weights_AM


def _not_weights_alone(policy: NegativePolicy, what: str) -> ValueError:
    return ValueError(
        f'negative_policy: {type(policy).__name__} has {what}, but negatives are drawn by weights of pairs alone: take '
        'EvidenceRemoval of InfoNCE, SimilarityRegulation, or a WeightProduct'
    )


def _product(rows: FeaturePair, anchors_are_images: bool) -> Tensor:
    """Inner products (B, G) of the local anchors with all candidates, in float32: bfloat16 would make many of them equal."""
    anchors, candidates = rows if anchors_are_images else reversed(rows)
    with torch.autocast(anchors.device.type, enabled=False):
        return anchors.float() @ gather(candidates.float()).t()
