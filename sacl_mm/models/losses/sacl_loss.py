"""SACLContrastiveLoss: the image-text contrastive loss with a false-negative policy.

Shapes: B pairs in the local batch (the anchors), G = B * processes, K queued pairs, M = G + K candidates, D features.
"""

import logging
import math
from collections.abc import Sequence
from functools import partial

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from sacl_mm.functional.contrastive import mutual_information, weight_statistics
from sacl_mm.functional.distributed import gather_with_gradient
from sacl_mm.functional.settings import check_number, check_optional_count
from sacl_mm.models.losses.both_ways import contrast_both_ways
from sacl_mm.models.losses.candidates import CandidatePair, gathered, normalised, with_bank
from sacl_mm.models.losses.contrast import Contrast, ContrastSums
from sacl_mm.models.losses.direction import Direction, other_view, pair_ids
from sacl_mm.models.losses.each_way import Treat, contrast_each_way
from sacl_mm.models.losses.inputs import as_ids, check_features, temperature_of
from sacl_mm.models.losses.left_out import warn_if_left_out
from sacl_mm.models.losses.pairs import ContrastivePairs, FeaturePair, NegativeBank, PairTreatment
from sacl_mm.models.losses.policies import NegativePolicy, SymmetricPolicy, build_policy
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
        self.policy = build_policy('policy', policy)
        check_optional_count('tile_pairs', tile_pairs)
        self.tile_pairs = tile_pairs
        check_number('temperature', temperature, '(0, inf)')
        bounds = (temperature, temperature) if temperature_bounds is None else tuple(temperature_bounds)
        if len(bounds) != 2:
            raise ValueError(f'temperature_bounds must be (low, high), or None, got {temperature_bounds}')
        for bound in bounds:
            check_number('temperature_bounds', bound, '(0, inf)')
        low, high = bounds
        if not 0 < low <= temperature <= high:
            raise ValueError(f'temperature {temperature} must be positive and within its bounds {temperature_bounds}')
        # Its logarithm is learned, as in CLIP: a step of the optimizer then changes tau by a share of it, at any size of tau.
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(temperature)), requires_grad=temperature_bounds is not None
        )
        self.log_temperature_bounds = (math.log(low), math.log(high))
        self._is_watched = self._has_warned = self._has_seen_scale = False

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.exp()

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        image_ids: Tensor | Sequence[int] | None = None,
        text_ids: Tensor | Sequence[int] | None = None,
        reference: FeaturePair | None = None,
        teacher: FeaturePair | None = None,
        candidates: FeaturePair | None = None,
        bank: NegativeBank | None = None,
        progress: float = 0.0,
        return_diagnostics: bool = False,
        logit_scale: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """The loss, a scalar; with `return_diagnostics` also a dict, per direction, of MI-P, MI-N and its target, the
        weights' statistics (scalars) and the weights themselves (`weights_AM`, nan where a candidate is no negative), all of
        the first tile's anchors if there are several tiles.

        Args:
            image_features, text_features: (B, D), normalised or not, any floating type (computed in float32 or better).
            image_ids: (B,) non-negative integers, a tensor or a list; equal ids are positives of each other. None: row i
                matches row i alone.
            text_ids: (B,) integers that tell captions apart, for policies that ask for them.
            reference: features of the frozen reference model, for policies with alpha > 0.
            teacher: features of the momentum model, for MomentumDistillation.
            candidates: the same pairs as a momentum encoder sees them, to be compared with instead of the batch's own
                features. Needed with a bank of that encoder's features: against those, positives from another encoder
                would be told apart by the encoder (MoCo, arXiv 1911.05722; ALBEF). None: the batch's own, with gradient.
            bank: queued negatives; their ids are compared as well, so `image_ids` must be given.
            progress: share of the training that is done, in [0, 1], for policies with a schedule.
            logit_scale: a model's own parameter log(1 / tau), as CLIP has it in open_clip and transformers (not its
                exponential). Then tau = e^-logit_scale, so that z = cos * e^logit_scale, and the gradient goes to it; the
                loss's own temperature and its bounds have no part.

        Raises:
            ValueError: shapes, types or devices that do not fit, or something that the policy needs is missing.
        """
        check_number('progress', progress, '[0, 1]')
        check_features(
            FeaturePair(image_features, text_features),
            dict(reference=reference, teacher=teacher, candidates=candidates),
            bank,
        )
        image_ids, text_ids = (
            as_ids('image_ids', image_ids, image_features),
            as_ids('text_ids', text_ids, image_features),
        )
        if bank is not None and image_ids is None:
            raise ValueError('a bank needs image_ids, or its entries of the same image would count as negatives')
        if logit_scale is None:
            temperature = self._own_temperature()
        else:
            temperature = temperature_of(logit_scale, check_value=not self._has_seen_scale)
            self._has_seen_scale = True
        with torch.autocast(image_features.device.type, enabled=False):
            local = normalised(FeaturePair(image_features, text_features))
            bank_features, bank_reference = (None, None) if bank is None else (bank.features, bank.reference)
            batches = FeaturePair(*map(gather_with_gradient, local)) if candidates is None else gathered(candidates)
            everyone = with_bank(batches, bank_features)
            seen_by_reference = None if reference is None else with_bank(gathered(reference), bank_reference)
            if teacher is None:
                seen_by_teacher = None
            else:  # who often gave the candidates as well
                seen_by_teacher = everyone if teacher is candidates else with_bank(gathered(teacher), bank_features)
            ids = pair_ids(len(image_features), image_features.device, image_ids, text_ids, bank)
            if bank is None:
                self._warn_without_negatives(ids.candidate_images_M)

            def direction(anchors_are_images: bool) -> Direction:
                return Direction(
                    anchors_are_images,
                    ids,
                    temperature.detach(),
                    progress,
                    has_empty_slots=bank is not None,
                    reference=other_view(reference, seen_by_reference, anchors_are_images),
                    teacher=other_view(teacher, seen_by_teacher, anchors_are_images),
                )

            directions = direction(anchors_are_images=True), direction(anchors_are_images=False)
            treats = partial(self._treat, directions[0]), partial(self._treat, directions[1])
            rows = self._tile_rows(len(everyone.image), image_features.device)
            # Where candidates are the anchors, their gradient is in one place.
            images_GD, texts_GD = (
                None if theirs is ours else theirs for theirs, ours in zip(batches, local, strict=True)
            )
            policy = self._symmetric_policy(image_features.device)
            if bank is not None or images_GD is not None or texts_GD is not None:
                policy = None

            def take_sums(needs_gradient: Sequence[bool]) -> ContrastSums:
                sums = None
                if policy is not None:
                    _, group_B, size_G = ids.anchor_images_A.unique(return_inverse=True, return_counts=True)
                    weigh = partial(self._weigh, policy, directions[0])
                    pairs = rows * len(local.image)
                    sums = contrast_both_ways(local, temperature, size_G[group_B], weigh, pairs, needs_gradient)
                if sums is None:
                    others = images_GD, texts_GD
                    sums = contrast_each_way(local, others, everyone, temperature, treats, rows, needs_gradient)
                return sums

            loss = Contrast.apply(*local, images_GD, texts_GD, temperature, take_sums)
            if not return_diagnostics:
                return loss
            return loss, self._diagnose(slice(0, rows), local, everyone, treats)

    def _tile_rows(self, candidates: int, device: torch.device) -> int:
        pairs = self.tile_pairs or (2**19 if device.type == 'cpu' else 2**21)
        return max(1, round(pairs / candidates))  # 8 anchors and 65,544 candidates are one tile

    def _symmetric_policy(self, device: torch.device) -> SymmetricPolicy | None:
        """The policy, where one matrix does for both directions."""
        if device.type != 'cpu':  # the host would wait for the check of the sums
            return None
        policy = self.policy
        # A subclass may have a `forward` of its own.
        if isinstance(policy, SymmetricPolicy) and type(policy).forward is SymmetricPolicy.forward:
            return policy
        return None

    @torch.no_grad()
    def _treat(
        self, direction: Direction, rows: slice, similarity_RM: Tensor
    ) -> tuple[ContrastivePairs, PairTreatment]:
        """The pairs of the anchors in `rows`, and the policy's treatment of them."""
        pairs = direction.pairs(rows, slice(None), similarity_RM)
        return pairs, self.policy(pairs)

    @staticmethod
    @torch.no_grad()
    def _weigh(
        policy: SymmetricPolicy, direction: Direction, rows: slice, columns: slice, similarity_RC: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Which pairs of these images and texts are positive, and a symmetric policy's raw log-weights."""
        pairs = direction.pairs(rows, columns, similarity_RC)
        raw_RC = policy.raw_log_weights(pairs)
        return pairs.positive_AM, None if raw_RC is None else raw_RC.to(similarity_RC.dtype)

    @torch.no_grad()
    def _diagnose(
        self, rows: slice, local: FeaturePair, everyone: CandidatePair, treats: tuple[Treat, Treat]
    ) -> dict[str, Tensor]:
        """Of a tile's anchors, i.e. of all if there is one tile."""
        diagnostics: dict[str, Tensor] = {}
        for direction, anchors_AD, candidates, treat in (
            ('i2t', local.image, everyone.text, treats[0]),
            ('t2i', local.text, everyone.image, treats[1]),
        ):
            pairs, treatment = treat(rows, candidates.similarity(anchors_AD[rows]))
            log_weights_AM = treatment.log_weights_AM
            logits_AM = pairs.similarity_AM / pairs.temperature
            values = {
                **mutual_information(logits_AM, log_weights_AM, pairs.positive_AM, pairs.negative_AM),
                **weight_statistics(log_weights_AM, pairs.negative_AM),
                'weights_AM': log_weights_AM.exp().masked_fill(~pairs.negative_AM, torch.nan),
            }
            diagnostics |= {f'{direction}/{name}': value for name, value in values.items()}
        return diagnostics

    def _own_temperature(self) -> Tensor:
        """tau, after its logarithm was put within its bounds."""
        if self.log_temperature.requires_grad:
            with torch.no_grad():
                # Clamping the value instead of the parameter would leave a tau beyond its bound without a gradient for ever.
                self.log_temperature.clamp_(*self.log_temperature_bounds)
            if not self._is_watched and self.training and torch.is_grad_enabled():
                self._is_watched = True
                warn_if_left_out(self)
        return self.temperature

    def _warn_without_negatives(self, candidate_images_M: Tensor) -> None:
        if self._has_warned:
            return
        alone = len(candidate_images_M) == 1
        if not alone and candidate_images_M.device.type == 'cpu':  # elsewhere the host would wait for it
            alone = bool((candidate_images_M == candidate_images_M[0]).all())
        if alone:
            self._has_warned = True
            print_log(
                'all pairs of a batch are of one image, so that there are no negatives and the contrastive loss teaches '
                'nothing (of a single pair it is 0 for ever). Use larger batches of different images, or a queue (queue_size)',
                logger='current',
                level=logging.WARNING,
            )
