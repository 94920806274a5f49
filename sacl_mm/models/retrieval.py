"""Image-text retrieval: two towers propose candidates, a fusion encoder re-ranks them.

Shapes: B pairs in the local batch, G = B * processes, P images, N image tokens, L text tokens, C width, R pairs to match.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.functional.distributed import gather, gather_with_gradient, largest, rank, world_size
from sacl_mm.functional.picking import pick
from sacl_mm.functional.settings import check_count
from sacl_mm.layers import KeyValue
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.models.evidence import EvidenceSource
from sacl_mm.models.hard_negatives import HardNegativeSampler
from sacl_mm.models.losses import FeaturePair
from sacl_mm.models.momentum import MomentumTeacher
from sacl_mm.models.negative_queue import NegativeQueue
from sacl_mm.models.part_sizes import check_widths
from sacl_mm.models.two_tower import Encoded, feature_pair
from sacl_mm.registry import MODELS


@MODELS.register_module()
class ImageTextRetrieval(DualEncoder):
    """Contrast and matching, summed (ALBEF, arXiv 2107.07651, Sec. 4; Jiang et al., ACL 2023, App. E).

    * Contrast (`contrastive_loss`) between local pairs, all processes' pairs and a queue that a momentum teacher fills.
    * Matching: per image one hard negative text and per text one hard negative image, from all processes.

    An image's keys and values are projected once per fusion layer and shared by all its texts. For evaluation see
    `sacl_mm.engine.RerankingTestLoop`: the towers propose candidates, `matching_logits` re-ranks them.

    Args:
        towers, contrastive_loss, data_preprocessor, reference_checkpoint, evidence: as in `DualEncoder`; `evidence` is for
            both policies.
        multimodal_backbone: a `FusionEncoder`.
        matching_head: a `MatchingHead`.
        queue_size: pairs in the queue, 0 for none; a queue needs the teacher.
        momentum: options of `MomentumTeacher`; None: no teacher.
        negative_temperature: hard negatives are drawn in proportion to exp(cosine / negative_temperature). None: the
            temperature of the contrastive loss, as in ALBEF. (first, last), say (1.0, 0.1), goes from almost uniform draws to
            hard ones, in geometric progression over the training; an untrained fusion encoder learns little from the hardest
            negatives.
        negative_policy: the policy by whose weights hard negatives are drawn, see `HardNegativeSampler`; None: all weigh 1.

    Raises:
        ValueError: for a queue or a distilling policy without a teacher; as `HardNegativeSampler`.
    """

    gives_evidence = ('reference', 'teacher')

    def __init__(
        self,
        towers: dict,
        contrastive_loss: dict,
        data_preprocessor: dict,
        multimodal_backbone: dict,
        matching_head: dict,
        queue_size: int = 0,
        momentum: dict | None = None,
        reference_checkpoint: str | None = None,
        diagnostics_interval: int = 50,
        negative_temperature: float | Sequence[float] | None = None,
        evidence: dict[str, dict] | None = None,
        negative_policy: dict | None = None,
    ) -> None:
        super().__init__(
            towers, contrastive_loss, data_preprocessor, reference_checkpoint, diagnostics_interval, evidence
        )
        check_count('queue_size', queue_size, least=0)
        self.hard_negatives = HardNegativeSampler(negative_temperature, _built(negative_policy))
        self.multimodal_backbone = MODELS.build(multimodal_backbone)
        self.matching_head = MODELS.build(matching_head)
        check_widths(self.towers, self.multimodal_backbone, matching_head=self.matching_head)
        needed = self.contrastive_loss.policy.needs_evidence
        if self.hard_negatives.policy is not None:
            self._provide('negative_policy', self.hard_negatives.policy)
        if queue_size and momentum is None:
            raise ValueError('a queue needs the momentum teacher: give momentum=dict(decay=0.995), or queue_size=0')
        for name, policy in (
            ('contrastive_loss.policy', self.contrastive_loss.policy),
            ('negative_policy', self.hard_negatives.policy),
        ):
            if policy is not None and 'teacher' in policy.needs_evidence and momentum is None:
                raise ValueError(f'{name} reads what the momentum teacher says: give momentum=dict(decay=0.995)')
        self.teacher = None if momentum is None else MomentumTeacher(dict(towers=self.towers), **momentum)
        embed_dims = self.towers.embed_dims
        queued = {name: cast(EvidenceSource, source).width for name, source in self.evidence.items() if name in needed}
        if 'reference' in needed:
            queued['reference'] = embed_dims
        self.queue = NegativeQueue(queue_size, embed_dims, queued) if queue_size else None
        self._to_enqueue: dict[str, Tensor] | None = None

    def _followed(self) -> dict[str, nn.Module]:
        """The student's modules that the teacher follows."""
        followed = () if self.teacher is None else self.teacher.named_children()
        return {name: self.get_submodule(name) for name, _ in followed}

    def start_teacher(self) -> None:
        """Make the teacher equal to the student, when a training starts and weights are loaded."""
        if self.teacher is not None:
            self.teacher.follow(self._followed(), decay=0)

    def after_step(self, weights_moved: bool = True, is_finite: bool = True) -> None:
        """Move the teacher towards the student, if its weights changed, and put the batch into the queue."""
        if self.teacher is not None and weights_moved:
            self.teacher.follow(self._followed())
        if self.queue is not None and self._to_enqueue is not None and is_finite:
            self.queue.enqueue({name: gather(rows) for name, rows in self._to_enqueue.items()})
        self._to_enqueue = None

    def matching_logits(
        self, keys_values: list[KeyValue], tokens_RLC: Tensor, mask_RL: Tensor, image_index: Tensor | None = None
    ) -> Tensor:
        """The matching head's logits (R, 2), "does not match" and "matches".

        Args:
            keys_values: `multimodal_backbone.project(...)` of the images' tokens.
            tokens_RLC, mask_RL: the text backbone's output for R texts.
            image_index: the image of each text, (R,); None: text r meets image r mod P, so a single image meets all texts.
        """
        return self.matching_head(self.multimodal_backbone(tokens_RLC, mask_RL, keys_values, image_index, first=1))

    # ------------------------------------------------------------------------------------------------ objectives
    def loss(self, batch: dict) -> dict[str, Tensor]:
        check_one_text_each(batch)
        image, text = self.extract_feat(batch)
        keys_values = self.multimodal_backbone.project(image.tokens, image.sizes)
        evidence = self._all_evidence(batch, self._encode_by_teacher(batch))
        contrast = self._contrast(image, text, evidence, batch)
        return contrast | self._match(image, text, keys_values, evidence, batch)

    def _all_evidence(self, batch: dict, teacher: tuple[Encoded, Encoded] | None) -> dict[str, FeaturePair]:
        """Evidence of the sources, the reference model and the teacher."""
        of_teacher = {} if teacher is None else dict(teacher=feature_pair(*teacher))
        return self.collect_evidence(batch) | of_teacher

    def _contrast(
        self, image: Encoded, text: Encoded, evidence: dict[str, FeaturePair], batch: dict
    ) -> dict[str, Tensor]:
        sides: dict[str, Any] = {}
        if self.queue is not None:
            sides = dict(bank=self.queue.bank(), candidates=evidence['teacher'])
            if self.training:
                self._to_enqueue = self._queue_entries(self.queue, evidence, batch)
        return self.contrast(image, text, batch, evidence=evidence, **sides)

    @staticmethod
    def _queue_entries(queue: NegativeQueue, evidence: dict[str, FeaturePair], batch: dict) -> dict[str, Tensor]:
        """What `after_step` puts into the queue, by the names of the queue's buffers."""
        entries = dict(
            image=evidence['teacher'].image,
            text=evidence['teacher'].text,
            image_ids=batch['image_ids'],
            text_ids=batch['text_ids'],
        )
        for name in queue.evidence_dims:
            entries |= {f'{name}_image': evidence[name].image, f'{name}_text': evidence[name].text}
        return entries

    @torch.no_grad()
    def _encode_by_teacher(self, batch: dict) -> tuple[Encoded, Encoded] | None:
        """The teacher's outputs for images and texts; None without a teacher."""
        if self.teacher is None:
            return None
        return self.teacher.towers(batch['images'], batch['token_ids'], batch['text_mask'])

    def _match(
        self, image: Encoded, text: Encoded, keys_values: list[KeyValue], evidence: dict[str, FeaturePair], batch: dict
    ) -> dict[str, Tensor]:
        """Image-text matching: B pairs that match, B images with a hard negative text, B texts with a hard negative
        image, in one pass."""
        drawn = self.hard_negatives(
            *feature_pair(image, text),
            batch['image_ids'],
            batch['text_ids'],
            evidence,
            self.contrastive_loss.temperature,
            self.progress,
            self.step_seed,
        )
        negative_text_B, negative_image_B = drawn.text_B, drawn.image_B
        own_B = torch.arange(len(negative_text_B), device=negative_text_B.device)
        if world_size() > 1:
            keys_values = self._with_chosen_images(keys_values, image, negative_image_B)
            negative_image_B = own_B + len(own_B)
        tokens_GLC, mask_GL = self._all_texts(text.tokens, batch['text_mask'])
        start = rank() * len(own_B)
        text_index = torch.cat([own_B + start, negative_text_B, own_B + start])
        image_index = torch.cat([own_B, own_B, negative_image_B])
        fused_R1C = self.multimodal_backbone(
            pick(tokens_GLC, text_index), mask_GL[text_index], keys_values, image_index, first=1
        )
        matches_R = torch.arange(len(text_index), device=own_B.device) < len(own_B)
        weight_R = torch.cat([torch.ones_like(drawn.has_text_B), drawn.has_text_B, drawn.has_image_B])
        return self.matching_head.loss(fused_R1C, matches_R, weight_R)

    def _with_chosen_images(self, keys_values: list[KeyValue], image: Encoded, chosen_B: Tensor) -> list[KeyValue]:
        """`keys_values` of the local images, followed by those of the images chosen among all processes; only these are
        projected."""
        tokens, sizes = (
            None if x is None else pick(gather_with_gradient(x), chosen_B) for x in (image.tokens, image.sizes)
        )
        others = self.multimodal_backbone.project(tokens, sizes)
        return [own.append(other) for own, other in zip(keys_values, others, strict=True)]

    @staticmethod
    def _all_texts(tokens_BLC: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens and masks of all processes' texts, padded to the longest."""
        missing = largest(tokens_BLC.shape[1], tokens_BLC.device) - tokens_BLC.shape[1]
        tokens_BLC, mask_BL = F.pad(tokens_BLC, (0, 0, 0, missing)), F.pad(mask_BL, (0, missing))
        return gather_with_gradient(tokens_BLC), gather(mask_BL.byte()).bool()


def _built(negative_policy: dict | None) -> Any:
    if negative_policy is None:
        return None
    if not isinstance(negative_policy, dict) or not negative_policy.get('type'):
        raise ValueError(
            f'negative_policy must be a dict with a type, such as OracleRemoval, or None, got {negative_policy!r}'
        )
    return MODELS.build(negative_policy)


def check_one_text_each(batch: dict) -> None:
    """Raises ValueError unless the batch has one text for each image."""
    if len(batch['token_ids']) != len(batch['images']):
        raise ValueError(
            f'training takes one text per image, the batch has {len(batch["token_ids"])} texts for '
            f"{len(batch['images'])} images: add dict(type='SampleCaption') to the training pipeline"
        )
