"""SACLContrastiveLoss: the image-text contrastive loss with a false-negative policy.

Shapes: B pairs in the local batch (the anchors), G = B * processes, K queued pairs, M = G + K candidates, D features.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed import ProcessGroup

from sacl_mm.functional.distributed import gather, gather_with_gradient, rank, world_size
from sacl_mm.functional.settings import check_number, check_optional_count
from sacl_mm.models.losses.blockwise import BlockwiseContrast
from sacl_mm.models.losses.diagnostics import diagnose
from sacl_mm.models.losses.gradients import with_gradients
from sacl_mm.models.losses.inputs import as_ids, check_features, temperature_of
from sacl_mm.models.losses.left_out import warn, warn_if_left_out
from sacl_mm.models.losses.pairs import FeaturePair, NegativeBank
from sacl_mm.models.losses.policies import NegativePolicy, SimilarityRegulation
from sacl_mm.models.losses.policies.base import check_policy
from sacl_mm.models.losses.side import Side


class SACLContrastiveLoss(nn.Module):
    r"""Symmetric contrastive loss whose negatives are weighted by a policy (Jiang et al., ACL 2023, Eq. 4-5).

    L_i = -log[ e^{z_ii} / (e^{z_ii} + sum_{j != i} w_ij e^{z_ij}) ],  z = cos / tau;  the mean over anchors and over the
    two directions. It takes features, not a model, and needs nothing but torch:

        >>> loss = SACLContrastiveLoss()
        >>> loss(image_features, text_features).backward()

    Args:
        policy: `SimilarityRegulation()` (SACL with the model's own similarities) if not given, `InfoNCE()` for plain InfoNCE.
        temperature: tau at the start.
        temperature_bounds: where the learned tau is kept; None fixes tau.
        block_pairs: about how many pairs of anchor and candidate are in a block. A larger batch is computed in blocks, with
            the same value and gradient, so memory does not grow with its square. None: 2^18 on CPUs, where a block then stays
            in the cache, and 2^21 elsewhere (8 MiB a matrix), as small blocks would leave a GPU waiting for launches.

    With torch.distributed initialised, local anchors meet the candidates of all processes.
    """

    def __init__(
        self,
        policy: NegativePolicy | None = None,
        temperature: float = 0.07,
        temperature_bounds: tuple[float, float] | None = (0.001, 0.5),
        block_pairs: int | None = None,
    ) -> None:
        super().__init__()
        self.policy = check_policy('policy', SimilarityRegulation() if policy is None else policy)
        check_optional_count('block_pairs', block_pairs)
        self.block_pairs = block_pairs
        check_number('temperature', temperature, '(0, inf)')
        bounds = (temperature, temperature) if temperature_bounds is None else tuple(temperature_bounds)
        if len(bounds) != 2:
            raise ValueError(f'temperature_bounds must be (low, high), or None, got {temperature_bounds}')
        for bound in bounds:
            check_number('temperature_bounds', bound, '(0, inf)')
        low, high = bounds
        if not 0 < low <= temperature <= high:
            raise ValueError(f'temperature {temperature} must be positive and within its bounds {temperature_bounds}')
        # The logarithm is learned, as in CLIP: a step of the optimizer then changes tau relative to its size.
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
        *,
        evidence: Mapping[str, FeaturePair] | None = None,
        candidates: FeaturePair | None = None,
        bank: NegativeBank | None = None,
        progress: float = 0.0,
        logit_scale: Tensor | None = None,
        group: ProcessGroup | None = None,
        return_diagnostics: bool = False,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """The loss, a scalar. With `return_diagnostics` also a dict with, per direction: the mutual information of positives
        and of negatives and the latter's target, statistics of the weights (scalars), and the weights (`weights_AM`, NaN where
        a candidate is not a negative); of the first anchors only, if one block does not hold them all.

        Args:
            image_features, text_features: (B, D), normalised or not, any floating type (computed in float32 or better).
            image_ids: (B,) non-negative integers, a tensor or a list; equal ids are positives of each other. None: row i
                matches row i alone.
            text_ids: (B,) integers that tell captions apart, for policies that ask for them.
            evidence: what the policy reads besides similarities, by the names in its `needs_evidence`: rows of images and of
                texts, of any width. Their inner products, not normalised, are the evidence. 'reference' are the unit features
                of a frozen model, 'teacher' those of the momentum encoders.
            candidates: the features of the same pairs from a momentum encoder, as candidates in place of the batch's own.
                Needed with a bank of that encoder's features; otherwise the model could tell positives from negatives by their
                encoder (MoCo, arXiv 1911.05722; ALBEF). None: the batch's own, with gradient.
            bank: queued pairs as further candidates; needs `image_ids`, which are compared with the bank's.
            progress: fraction of the training that is done, in [0, 1], for policies with a schedule.
            logit_scale: a model's own parameter log(1 / tau), as CLIP has it in open_clip and transformers (not its
                exponential). Then tau = e^-logit_scale, so that z = cos * e^logit_scale, and the gradient goes to it; the
                loss's own temperature and bounds are not used.
            group: the processes that share their candidates; None: all.

        Raises:
            ValueError: shapes, types or devices that do not fit, or something that the policy reads is missing.
        """
        check_number('progress', progress, '[0, 1]')
        # Missing evidence is an error only once the policy reads it: a schedule may no longer need it.
        needed = {name: pair for name, pair in (evidence or {}).items() if name in self.policy.needs_evidence}
        check_features(FeaturePair(image_features, text_features), candidates, needed, bank)
        image_ids, text_ids = (
            as_ids('image_ids', image_ids, image_features),
            as_ids('text_ids', text_ids, image_features),
        )
        if rank(group) < 0:
            raise ValueError('this process is not in `group`: give each process a group that it is in')
        if bank is not None and image_ids is None:
            raise ValueError('a bank needs image_ids, or its entries of the same image would count as negatives')
        if image_ids is None:
            image_ids = torch.arange(len(image_features), device=image_features.device)
            image_ids += len(image_features) * rank(group)
        if logit_scale is None:
            temperature = self._own_temperature()
        else:
            temperature = temperature_of(logit_scale, check_value=not self._has_seen_scale)
            self._has_seen_scale = True

        with torch.autocast(image_features.device.type, enabled=False):
            images, texts = (
                Side(_unit_rows(features), image_ids, text_ids, {name: pair[side] for name, pair in needed.items()})
                for side, features in enumerate((image_features, text_features))
            )
            if candidates is not None:
                own_images, own_texts = (
                    replace(side, features=_unit_rows(features.detach()))
                    for side, features in zip((images, texts), candidates, strict=True)
                )
            else:
                own_images, own_texts = images, texts
            all_images, all_texts = [_gathered(own_images, group)], [_gathered(own_texts, group)]
            if bank is not None:
                for side, sides in enumerate((all_images, all_texts)):
                    sides.append(_queued(bank, side, needed, images.features))
            self._warn_without_negatives(all_images)

            block_pairs = self.block_pairs or (2**18 if image_features.device.type == 'cpu' else 2**21)
            contrast = BlockwiseContrast(
                images, texts, all_images, all_texts, self.policy, temperature.detach(), progress, block_pairs
            )
            loss = with_gradients(contrast.loss(), contrast, temperature)
            return (loss, diagnose(contrast)) if return_diagnostics else loss

    def _own_temperature(self) -> Tensor:
        """tau, with its logarithm clamped to the bounds."""
        if self.log_temperature.requires_grad:
            with torch.no_grad():
                # Clamping the value instead of the parameter would leave a tau beyond its bound without a gradient for ever.
                self.log_temperature.clamp_(*self.log_temperature_bounds)
            if not self._is_watched and self.training and torch.is_grad_enabled():
                self._is_watched = True
                warn_if_left_out(self)
        return self.temperature

    def _warn_without_negatives(self, candidates: list[Side]) -> None:
        ids_M = candidates[0].image_ids
        if self._has_warned or len(candidates) > 1:
            return
        alone = len(ids_M) == 1
        if not alone and ids_M.device.type == 'cpu':  # a GPU would have to be waited for
            alone = bool((ids_M == ids_M[0]).all())
        if alone:
            self._has_warned = True
            warn(
                'all pairs of a batch are of one image, so that there are no negatives and the contrastive loss teaches '
                'nothing (of a single pair it is 0 for ever). Use larger batches of different images, or a queue (queue_size)'
            )


def _unit_rows(features: Tensor) -> Tensor:
    """L2-normalised, in float32 at least: the 8 bits of bfloat16's mantissa are too few to tell similarities apart."""
    return F.normalize(features if features.dtype == torch.float64 else features.float(), dim=-1)


def _gathered(side: Side, group: ProcessGroup | None) -> Side:
    """The side of all processes; only features have a gradient."""
    if world_size(group) == 1:
        return side
    return Side(
        gather_with_gradient(side.features, group),
        gather(side.image_ids, group),
        None if side.text_ids is None else gather(side.text_ids, group),
        {name: gather(evidence, group) for name, evidence in side.evidence.items()},
    )


def _queued(bank: NegativeBank, side: int, needed: Mapping[str, FeaturePair], like: Tensor) -> Side:
    """The bank's images (`side` 0) or texts (1)."""
    features = bank.features[side].detach().to(like.dtype)
    lengths = torch.linalg.vector_norm(features, dim=1).clamp_(min=1e-12)  # as in F.normalize
    return Side(features, bank.image_ids, bank.text_ids, {name: bank.evidence[name][side] for name in needed}, lengths)
