"""SACLContrastiveLoss: the image-text contrastive loss with a false-negative policy.

Shapes: B pairs in the local batch (the anchors), G = B * processes, K queued pairs, M = G + K candidates, D features.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from sacl_mm.functional.contrastive import mutual_information, weight_statistics
from sacl_mm.functional.distributed import gather_with_gradient
from sacl_mm.models.losses.both_ways import contrast_both_ways
from sacl_mm.models.losses.candidates import CandidatePair, gathered, normalised, with_bank
from sacl_mm.models.losses.contrast import Contrast, ContrastSums
from sacl_mm.models.losses.direction import Direction, other_view, pair_ids
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
        self.policy: NegativePolicy = (
            MODELS.build(dict(policy, _scope_='sacl_mm')) if isinstance(policy, dict) else policy
        )
        if not isinstance(self.policy, NegativePolicy):
            raise ValueError(
                f"policy must be a configuration such as dict(type='InfoNCE'), or a NegativePolicy, got {self.policy!r}"
            )
        if tile_pairs is not None and tile_pairs < 1:
            raise ValueError(f'tile_pairs must be at least 1, or None, got {tile_pairs}')
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
            ValueError: shapes or types that do not fit, or something that the policy needs is missing.
        """
        if not 0 <= progress <= 1:
            raise ValueError(f'progress must be in [0, 1], got {progress}')
        self._check(
            FeaturePair(image_features, text_features),
            dict(image_ids=image_ids, text_ids=text_ids),
            dict(reference=reference, teacher=teacher, candidates=candidates),
            bank,
        )
        self._keep_temperature_within_bounds()
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

            def direction(anchors_are_images: bool) -> Direction:
                return Direction(
                    anchors_are_images,
                    ids,
                    self.temperature.detach(),
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
                    sums = contrast_both_ways(local, self.temperature, size_G[group_B], weigh, pairs, needs_gradient)
                if sums is None:
                    others = images_GD, texts_GD
                    sums = contrast_each_way(local, others, everyone, self.temperature, treats, rows, needs_gradient)
                return sums

            loss = Contrast.apply(*local, images_GD, texts_GD, self.temperature, take_sums)
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

    @torch.no_grad()
    def _keep_temperature_within_bounds(self) -> None:
        # Clamping the value instead of the parameter would leave a tau beyond its bound without a gradient for ever.
        if self.log_temperature.requires_grad:
            self.log_temperature.clamp_(*self.log_temperature_bounds)

    @staticmethod
    def _check(
        batch: FeaturePair,
        ids: dict[str, Tensor | None],
        others: dict[str, FeaturePair | None],
        bank: NegativeBank | None,
    ) -> None:
        images_BD, texts_BD = batch
        if images_BD.ndim != 2 or images_BD.shape != texts_BD.shape:
            raise ValueError(
                'image_features and text_features must be (B, D) and of equal shape, got '
                f'{tuple(images_BD.shape)} and {tuple(texts_BD.shape)}'
            )
        if (images_BD.dtype == torch.float64) != (texts_BD.dtype == torch.float64):
            raise ValueError(
                f'image_features and text_features must both be float64 or neither, got {images_BD.dtype} and {texts_BD.dtype}'
            )
        if not len(images_BD):
            raise ValueError('a batch without pairs has no loss')
        for name, pair in others.items():
            if pair is None:
                continue
            if not len(pair[0]) == len(pair[1]) == len(images_BD):
                raise ValueError(
                    f'{name} features are of {len(pair[0])} images and {len(pair[1])} texts, '
                    f'the batch has {len(images_BD)} pairs'
                )
            # The reference's features are compared with each other alone, and may have a width of their own.
            shape = (len(images_BD), pair[0].shape[-1] if name == 'reference' else images_BD.shape[1])
            if not pair[0].shape == pair[1].shape == shape:
                raise ValueError(
                    f'{name} features must be {shape}, got {tuple(pair[0].shape)} and {tuple(pair[1].shape)}'
                )
        for name, ids_B in ids.items():
            if ids_B is not None and (ids_B.shape != images_BD.shape[:1] or ids_B.is_floating_point()):
                raise ValueError(f'{name} must be ({len(images_BD)},) integers, got {tuple(ids_B.shape)} {ids_B.dtype}')
        if bank is not None and ids['image_ids'] is None:
            raise ValueError('a bank needs image_ids, or its entries of the same image would count as negatives')
        if bank is not None and others['reference'] is not None and bank.reference is None:
            raise ValueError('with reference features the bank needs its own: set bank.reference')
