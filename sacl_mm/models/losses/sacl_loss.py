"""SACLContrastiveLoss: the image-text contrastive loss with a false-negative policy.

Shapes: B pairs in the local batch (the anchors), G = B * processes, K queued pairs, M = G + K candidates, D features.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from sacl_mm.functional.contrastive import mutual_information, weight_statistics
from sacl_mm.functional.distributed import gather, gather_with_gradient, rank
from sacl_mm.models.losses.both_ways import contrast_both_ways
from sacl_mm.models.losses.candidates import CandidatePair, Candidates, gathered, normalised, with_bank
from sacl_mm.models.losses.contrast import Contrast, ContrastSums
from sacl_mm.models.losses.each_way import Treat, contrast_each_way
from sacl_mm.models.losses.pairs import ContrastivePairs, FeaturePair, NegativeBank, PairTreatment
from sacl_mm.models.losses.policies import NegativePolicy, SymmetricPolicy
from sacl_mm.registry import MODELS


@MODELS.register_module()
class SACLContrastiveLoss(nn.Module):
    r"""Symmetric contrastive loss whose negatives are weighted by a policy (Jiang et al., ACL 2023, Eq. 4-5).

    L_i = -log[ e^{z_ii} / (e^{z_ii} + sum_{j != i} w_ij e^{z_ij}) ],  z = cos / tau;  the mean over anchors and over the
    two directions. It takes features, not a model, and works outside MMEngine's Runner:

        >>> loss = SACLContrastiveLoss()
        >>> loss(image_features, text_features).backward()

    Args:
        policy: a config for MODELS or a module; `SimilarityRegulation()` (SACL with the model's own similarities) if not
            given, `dict(type='InfoNCE')` for plain InfoNCE.
        temperature: tau at the start.
        temperature_bounds: where the learned tau is kept; None fixes tau.
        tile_pairs: about how many pairs of anchor and candidate are looked at together. A larger batch is done in tiles, with
            the same value and gradient and a memory that does not grow with its square. None: 2^19 on CPUs, where a tile
            then stays in the cache, and 2^21 elsewhere (8 MiB a matrix): a GPU would wait for the start of small ones.

    With torch.distributed initialised, local anchors meet the candidates of all processes.
    """

    def __init__(
        self,
        policy: dict | NegativePolicy | None = None,
        temperature: float = 0.07,
        temperature_bounds: tuple[float, float] | None = (0.001, 0.5),
        tile_pairs: int | None = None,
    ) -> None:
        super().__init__()
        policy = dict(type='SimilarityRegulation') if policy is None else policy
        self.policy = MODELS.build(dict(policy, _scope_='sacl_mm')) if isinstance(policy, dict) else policy
        self.tile_pairs = tile_pairs
        low, high = temperature_bounds or (temperature, temperature)
        if not 0 < low <= temperature <= high:
            raise ValueError(f'temperature {temperature} must be positive and within its bounds {temperature_bounds}')
        # Its logarithm is learned, as in CLIP: a step of the optimizer then changes tau by a share of it, at any size of tau.
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(temperature)), requires_grad=temperature_bounds is not None
        )
        self.log_temperature_bounds = (math.log(low), math.log(high))

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.exp()

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        image_ids: Tensor | None = None,
        text_ids: Tensor | None = None,
        reference: FeaturePair | None = None,
        teacher: FeaturePair | None = None,
        candidates: FeaturePair | None = None,
        bank: NegativeBank | None = None,
        progress: float = 0.0,
        return_diagnostics: bool = False,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """The loss, a scalar; with `return_diagnostics` also a dict, per direction, of MI-P, MI-N and its target, the
        weights' statistics (scalars) and the weights themselves (`weights_AM`, nan where a candidate is no negative), all of
        the first tile's anchors if there are several tiles.

        Args:
            image_features, text_features: (B, D), normalised or not, any floating type (computed in float32 or better).
            image_ids: (B,) non-negative integers; equal ids are positives of each other. None: row i matches row i alone.
            text_ids: (B,) integers that tell captions apart, for policies that ask for them.
            reference: features of the frozen reference model, for policies with alpha > 0.
            teacher: features of the momentum model, for MomentumDistillation.
            candidates: the same pairs as a momentum encoder sees them, to be compared with instead of the batch's own
                features. Needed with a bank of that encoder's features: against those, positives from another encoder
                would be told apart by the encoder (MoCo, arXiv 1911.05722; ALBEF). None: the batch's own, with gradient.
            bank: queued negatives; their ids are compared as well, so `image_ids` must be given.
            progress: share of the training that is done, in [0, 1], for policies with a schedule.

        Raises:
            ValueError: shapes that do not fit, or something that the policy needs is missing.
        """
        self._check(
            image_features,
            text_features,
            image_ids,
            dict(reference=reference, teacher=teacher, candidates=candidates),
            bank,
        )
        self._keep_temperature_within_bounds()
        with torch.autocast(image_features.device.type, enabled=False):
            local = normalised(FeaturePair(image_features, text_features))
            ids = self._candidate_ids(len(image_features), image_features.device, image_ids, text_ids, bank)
            batches = FeaturePair(*map(gather_with_gradient, local)) if candidates is None else gathered(candidates)
            everyone = with_bank(batches, bank and bank.features)
            reference_everyone = reference and with_bank(gathered(reference), bank and bank.reference)
            if teacher is not None and teacher is candidates:
                teacher_everyone = everyone
            else:
                teacher_everyone = teacher and with_bank(gathered(teacher), bank and bank.features)

            sides = [
                dict(
                    ids=ids,
                    reference=_normalised_side(reference, anchor, reference_everyone, other),
                    teacher=_normalised_side(teacher, anchor, teacher_everyone, other),
                    progress=progress,
                    anchors_are_images=anchor == 'image',
                    has_bank=bank is not None,
                )
                for anchor, other in (('image', 'text'), ('text', 'image'))
            ]
            treats = tuple(partial(self._treat, **side) for side in sides)
            # Where candidates are the anchors, their gradient is in one place.
            others = tuple(None if theirs is ours else theirs for theirs, ours in zip(batches, local, strict=True))
            rows = self._tile_rows(len(everyone.image), image_features.device)

            def take_sums(needs_gradient: Sequence[bool]) -> ContrastSums:
                sums = None
                alone = bank is None and all(theirs is None for theirs in others)
                if alone and self._both_ways_on(image_features.device):
                    _, group_B, size_G = ids['anchor_image_ids'].unique(return_inverse=True, return_counts=True)
                    sums = contrast_both_ways(
                        local,
                        self.temperature,
                        size_G[group_B],
                        partial(self._weigh, **sides[0]),
                        rows * len(local.image),
                        needs_gradient,
                    )
                if sums is None:
                    sums = contrast_each_way(local, others, everyone, self.temperature, treats, rows, needs_gradient)
                return sums

            loss = Contrast.apply(*local, *others, self.temperature, take_sums)
            if not return_diagnostics:
                return loss
            return loss, self._diagnose(slice(0, rows), local, everyone, treats)

    def _tile_rows(self, candidates: int, device: torch.device) -> int:
        pairs = self.tile_pairs or (2**19 if device.type == 'cpu' else 2**21)
        return max(1, round(pairs / candidates))  # 8 anchors and 65,544 candidates are one tile

    def _both_ways_on(self, device: torch.device) -> bool:
        # On a GPU the host would wait for the check of the sums. A subclass may have a `forward` of its own.
        return device.type == 'cpu' and type(self.policy).forward is SymmetricPolicy.forward

    @torch.no_grad()
    def _treat(
        self, rows: slice, similarity_AM: Tensor, **side: object
    ) -> tuple[ContrastivePairs, PairTreatment, Tensor | None]:
        """The pairs of the anchors in `rows`, the policy's treatment of them, and which candidates take part (None: all)."""
        pairs, valid_AM = self._pairs(rows, slice(None), similarity_AM, **side)
        return pairs, self.policy(pairs), valid_AM

    @torch.no_grad()
    def _weigh(
        self, rows: slice, columns: slice, similarity_AM: Tensor, **side: object
    ) -> tuple[Tensor, Tensor | None]:
        """Which pairs of these images and texts are positive, and a symmetric policy's raw log-weights."""
        pairs, _ = self._pairs(rows, columns, similarity_AM, **side)
        raw_AM = self.policy.raw_log_weights(pairs)
        return pairs.positive_AM, raw_AM if raw_AM is None else raw_AM.to(similarity_AM.dtype)

    def _pairs(
        self,
        rows: slice,
        columns: slice,
        similarity_AM: Tensor,
        ids: dict[str, Tensor | None],
        reference: tuple[Tensor, Candidates] | None,
        teacher: tuple[Tensor, Candidates] | None,
        progress: float,
        anchors_are_images: bool,
        has_bank: bool,
    ) -> tuple[ContrastivePairs, Tensor | None]:
        """Some anchors and candidates, and which candidates take part (None: all)."""
        ids = {
            name: None if value is None else value[rows if name.startswith('anchor') else columns]
            for name, value in ids.items()
        }
        positive_AM = ids['anchor_image_ids'][:, None] == ids['candidate_image_ids'][None, :]
        valid_AM = None
        if has_bank:  # whose slots may be empty
            valid_AM = (ids['candidate_image_ids'] >= 0).expand_as(positive_AM)
        reference_AM, teacher_AM = (
            side and side[1].similarity(side[0][rows], columns) for side in (reference, teacher)
        )
        pairs = ContrastivePairs(
            similarity_AM=similarity_AM,
            temperature=self.temperature.detach(),
            positive_AM=positive_AM,
            negative_AM=~positive_AM if valid_AM is None else valid_AM & ~positive_AM,
            progress=progress,
            reference_similarity_AM=reference_AM,
            teacher_similarity_AM=teacher_AM,
            anchors_are_images=anchors_are_images,
            **ids,
        )
        return pairs, valid_AM

    @torch.no_grad()
    def _diagnose(
        self, rows: slice, local: FeaturePair, everyone: CandidatePair, treats: tuple[Treat, Treat]
    ) -> dict[str, Tensor]:
        """Of a tile's anchors, i.e. of all if there is one tile."""
        diagnostics = {}
        for direction, anchors_AD, candidates, treat in (
            ('i2t', local.image, everyone.text, treats[0]),
            ('t2i', local.text, everyone.image, treats[1]),
        ):
            pairs, treatment, _ = treat(rows, candidates.similarity(anchors_AD[rows]))
            log_weights_AM = treatment.log_weights_AM
            logits_AM = pairs.similarity_AM / pairs.temperature
            values = {
                **mutual_information(logits_AM, log_weights_AM, pairs.positive_AM, pairs.negative_AM),
                **weight_statistics(log_weights_AM, pairs.negative_AM),
                'weights_AM': log_weights_AM.exp().masked_fill(~pairs.negative_AM, torch.nan),
            }
            diagnostics |= {f'{direction}/{name}': value for name, value in values.items()}
        return diagnostics

    def _candidate_ids(
        self, batch: int, device: torch.device, image_ids: Tensor | None, text_ids: Tensor | None, bank
    ) -> dict[str, Tensor | None]:
        if image_ids is None:
            image_ids = torch.arange(batch, device=device) + batch * rank()
        candidate_image_ids = gather(image_ids)
        candidate_text_ids = None if text_ids is None else gather(text_ids)
        if bank is not None:
            candidate_image_ids = torch.cat([candidate_image_ids, bank.image_ids])
            if text_ids is not None:
                candidate_text_ids = None if bank.text_ids is None else torch.cat([candidate_text_ids, bank.text_ids])
        return dict(
            anchor_image_ids=image_ids,
            anchor_text_ids=text_ids,
            candidate_image_ids=candidate_image_ids,
            candidate_text_ids=candidate_text_ids,
        )

    @torch.no_grad()
    def _keep_temperature_within_bounds(self) -> None:
        # Clamping the value instead of the parameter would leave a tau beyond its bound without a gradient for ever.
        if self.log_temperature.requires_grad:
            self.log_temperature.clamp_(*self.log_temperature_bounds)

    @staticmethod
    def _check(
        image_features: Tensor,
        text_features: Tensor,
        image_ids: Tensor | None,
        others: dict[str, FeaturePair | None],
        bank: NegativeBank | None,
    ) -> None:
        if image_features.ndim != 2 or image_features.shape != text_features.shape:
            raise ValueError(
                'image_features and text_features must be (B, D) and of equal shape, got '
                f'{tuple(image_features.shape)} and {tuple(text_features.shape)}'
            )
        for name, pair in others.items():
            if pair is not None and not len(pair[0]) == len(pair[1]) == len(image_features):
                raise ValueError(
                    f'{name} features are of {len(pair[0])} images and {len(pair[1])} texts, '
                    f'the batch has {len(image_features)} pairs'
                )
        if image_ids is not None and image_ids.shape != image_features.shape[:1]:
            raise ValueError(f'image_ids must be ({len(image_features)},), got {tuple(image_ids.shape)}')
        if bank is not None and image_ids is None:
            raise ValueError('a bank needs image_ids, or its entries of the same image would count as negatives')
        if bank is not None and others['reference'] is not None and bank.reference is None:
            raise ValueError('with reference features the bank needs its own: set bank.reference')


def _normalised_side(
    local: FeaturePair | None, anchor: str, candidates: CandidatePair | None, other: str
) -> tuple[Tensor, Candidates] | None:
    """Anchors and candidates as another model sees them, without gradient."""
    if local is None or candidates is None:
        return None
    return getattr(normalised(local), anchor).detach(), getattr(candidates, other)
