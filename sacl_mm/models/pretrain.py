"""SACL pre-training: contrast, matching and masked language modelling (Jiang et al., ACL 2023, on ALBEF's shape).

Shapes: B pairs in the local batch, G = B * processes, N image tokens, L text tokens, C width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sacl_mm.functional.distributed import gather, gather_with_gradient, largest, mean_over_processes, world_size
from sacl_mm.functional.hard_negatives import has_negative, sample_hard_negatives
from sacl_mm.functional.masking import mask_tokens
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.models.losses import FeaturePair
from sacl_mm.models.losses.policies.momentum_distillation import ramped
from sacl_mm.models.momentum import MomentumTeacher
from sacl_mm.models.negative_queue import NegativeQueue
from sacl_mm.models.two_tower import Encoded
from sacl_mm.registry import MODELS


@dataclass
class FusionInput:
    """Rows for the fusion encoder: text tokens (R, L, C), their mask (R, L), and each row's picture (R,)."""

    tokens: Tensor
    mask: Tensor
    picture: Tensor


@MODELS.register_module()
class SACLPretrain(DualEncoder):
    """Two towers, a fusion encoder, and the three objectives, summed.

    * Contrast (`contrastive_loss`) between local pairs, all processes' pairs and a queue that a momentum teacher fills.
    * Matching: per image one hard negative text and per text one hard negative image, from all processes.
    * Masked language modelling from the fused text, optionally with the teacher's predictions as soft targets.

    An image's keys and values are projected once per fusion layer and shared by all texts that it meets.

    Args:
        towers, contrastive_loss, data_preprocessor, reference_checkpoint: as in `DualEncoder`.
        fusion: a `FusionEncoder`.
        matching_head: a `MatchingHead`.
        masked_language_head: a `MaskedLanguageHead`.
        mask_token: id of [MASK].
        queue_size: queued pairs; 0 for none. Needs the teacher.
        momentum: options of `MomentumTeacher`, and `mlm_distillation`, the share of the teacher in the target of masked
            language modelling (0.4 in ALBEF; 0 saves its fusion encoder) after a `ramp` as in `MomentumDistillation`.
            None for no teacher.
    """

    def __init__(
        self,
        towers: dict,
        contrastive_loss: dict,
        data_preprocessor: dict,
        fusion: dict,
        matching_head: dict,
        masked_language_head: dict,
        mask_token: int,
        queue_size: int = 65536,
        momentum: dict | None = None,
        reference_checkpoint: str | None = None,
        diagnostics_interval: int = 50,
    ) -> None:
        super().__init__(towers, contrastive_loss, data_preprocessor, reference_checkpoint, diagnostics_interval)
        self.fusion = MODELS.build(fusion)
        self.matching_head = MODELS.build(matching_head)
        self.masked_language_head = MODELS.build(masked_language_head)
        self.mask_token = mask_token

        policy = self.contrastive_loss.policy
        self._check(policy, queue_size, momentum)
        momentum = dict(momentum or {})
        self.mlm_distillation = momentum.pop('mlm_distillation', 0.0)
        self.ramp = momentum.pop('ramp', 1 / 30)
        self.teacher = MomentumTeacher(self._followed(), **momentum) if momentum else None
        embed_dims = self.towers.image_projection.out_features
        self.queue = NegativeQueue(queue_size, embed_dims, policy.needs_reference) if queue_size else None
        self._to_enqueue: dict[str, Tensor] | None = None

    @staticmethod
    def _check_one_text_per_image(batch: dict) -> None:
        if len(batch['token_ids']) != len(batch['images']):
            raise ValueError(
                f'training takes one text per image, the batch has {len(batch["token_ids"])} texts for '
                f"{len(batch['images'])} images: add dict(type='SampleCaption') to the training pipeline"
            )

    @staticmethod
    def _check(policy: nn.Module, queue_size: int, momentum: dict | None) -> None:
        if queue_size and not momentum:
            raise ValueError('a queue needs the momentum teacher: give momentum=dict(decay=0.995), or queue_size=0')
        if policy.needs_teacher and not momentum:
            raise ValueError('the policy distils from the momentum teacher: give momentum=dict(decay=0.995)')

    def _followed(self) -> dict[str, nn.Module]:
        """What the teacher copies: the fusion encoder only where it is asked for predictions."""
        followed = dict(towers=self.towers)
        if self.mlm_distillation > 0:
            followed |= dict(fusion=self.fusion, masked_language_head=self.masked_language_head)
        return followed

    def start_teacher(self) -> None:
        """Make the teacher equal to the student; for the beginning of a training, after weights were loaded."""
        if self.teacher is not None:
            self.teacher.follow(self._followed(), decay=0)

    def after_step(self) -> None:
        """The teacher follows the student; the batch that was just learned from enters the queue."""
        if self.teacher is not None:
            self.teacher.follow(self._followed())
        if self.queue is not None and self._to_enqueue is not None:
            self.queue.enqueue({name: gather(rows) for name, rows in self._to_enqueue.items()})
            self._to_enqueue = None

    # ------------------------------------------------------------------------------------------------ objectives
    def loss(self, batch: dict) -> dict[str, Tensor]:
        self._check_one_text_per_image(batch)
        image, text = self.encode(batch)
        teacher = self._teach(batch)
        losses = self._contrast(image, text, teacher, batch)

        seed = self.seed * 1_000_003 + self.iteration
        pictures, matching, matches_R, counts_R = self._matching_rows(image, text, batch, seed)
        masked = mask_tokens(
            batch['token_ids'],
            batch['text_mask'],
            batch['text_ids'],
            seed,
            self.mask_token,
            self.data_preprocessor.vocab_size,
        )
        predicting = FusionInput(
            self.towers.text_encoder(masked.token_ids_BL, batch['text_mask']),
            batch['text_mask'],
            torch.arange(len(masked.token_ids_BL), device=pictures.device),
        )
        fused_matching, fused_masked = self._fuse(pictures, [matching, predicting])

        each_R = self.matching_head.loss(fused_matching, matches_R)
        losses['loss_itm'] = mean_over_processes((each_R * counts_R).sum(), counts_R.sum())
        losses['loss_mlm'] = self._masked_language_loss(fused_masked, masked, teacher, batch)
        return losses

    def _contrast(self, image: Encoded, text: Encoded, teacher, batch: dict) -> dict[str, Tensor]:
        sides = {}
        if self.queue is not None:
            sides |= dict(bank=self.queue.bank(), candidates=FeaturePair(teacher[0].feature, teacher[1].feature))
        if self.reference is not None:
            sides['reference'] = self.encode_reference(batch)
        if self.contrastive_loss.policy.needs_teacher:
            sides['teacher'] = FeaturePair(teacher[0].feature, teacher[1].feature)
        if self.queue is not None and self.training:
            self._to_enqueue = self._queue_entries(teacher, sides.get('reference'), batch)
        return self.contrast(image, text, batch, **sides)

    def _queue_entries(self, teacher, reference: FeaturePair | None, batch: dict) -> dict[str, Tensor]:
        entries = dict(
            image=teacher[0].feature, text=teacher[1].feature, image_ids=batch['image_ids'], text_ids=batch['text_ids']
        )
        if reference is not None:
            entries |= dict(reference_image=reference.image, reference_text=reference.text)
        return entries

    @torch.no_grad()
    def _teach(self, batch: dict) -> tuple[Encoded, Encoded] | None:
        if self.teacher is None:
            return None
        towers = self.teacher.towers
        return towers.encode_image(batch['images']), towers.encode_text(batch['token_ids'], batch['text_mask'])

    def _matching_rows(
        self, image: Encoded, text: Encoded, batch: dict, seed: int
    ) -> tuple[Tensor, FusionInput, Tensor, Tensor]:
        """B matching pairs, B images with a hard negative text, B texts with a hard negative image.

        Returns the pictures' tokens that the rows refer to, the rows, whether each matches, and whether it counts (a batch
        of one image has no negatives).
        """
        batch_size, device = len(image.feature), image.feature.device
        mask_BL = batch['text_mask']
        with torch.no_grad():
            temperature = self.contrastive_loss.temperature
            image_ids_G, text_ids_G = gather(batch['image_ids']), gather(batch['text_ids'])
            positive_BG = batch['image_ids'][:, None] == image_ids_G[None, :]
            negatives = [
                sample_hard_negatives(
                    anchor.feature @ gather(candidate.feature).t() / temperature,
                    positive_BG,
                    batch['text_ids'],
                    text_ids_G,
                    2 * seed + direction,
                )
                for direction, (anchor, candidate) in enumerate(((image, text), (text, image)))
            ]
        negative_text_B, negative_image_B = negatives
        tokens_GLC, mask_GL = self._all_texts(text.tokens, mask_BL)
        length = tokens_GLC.shape[1] - mask_BL.shape[1]
        own_tokens, own_mask = F.pad(text.tokens, (0, 0, 0, length)), F.pad(mask_BL, (0, length))
        own_picture_B = torch.arange(batch_size, device=device)
        if world_size() == 1:
            pictures, negative_picture_B = image.tokens, negative_image_B
        else:
            # Only the chosen pictures of other processes are projected to keys and values here.
            pictures = torch.cat([image.tokens, gather_with_gradient(image.tokens)[negative_image_B]])
            negative_picture_B = batch_size + own_picture_B
        rows = FusionInput(
            torch.cat([own_tokens, tokens_GLC[negative_text_B], own_tokens]),
            torch.cat([own_mask, mask_GL[negative_text_B], own_mask]),
            torch.cat([own_picture_B, own_picture_B, negative_picture_B]),
        )
        matches_R = torch.cat([torch.ones_like(own_picture_B), torch.zeros_like(own_picture_B.repeat(2))])
        counts_B = has_negative(positive_BG).float()
        return pictures, rows, matches_R, torch.cat([torch.ones_like(counts_B), counts_B, counts_B])

    @staticmethod
    def _all_texts(tokens_BLC: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens and masks of all processes' texts, padded to the longest."""
        missing = largest(tokens_BLC.shape[1], tokens_BLC.device) - tokens_BLC.shape[1]
        tokens_BLC, mask_BL = F.pad(tokens_BLC, (0, 0, 0, missing)), F.pad(mask_BL, (0, missing))
        return gather_with_gradient(tokens_BLC), gather(mask_BL.byte()).bool()

    def _fuse(self, pictures: Tensor, inputs: list[FusionInput]) -> list[Tensor]:
        """One pass of the fusion encoder over all rows; keys and values of each picture are made once."""
        longest = max(rows.tokens.shape[1] for rows in inputs)
        padding = [longest - rows.tokens.shape[1] for rows in inputs]
        fused = self.fusion(
            torch.cat([F.pad(rows.tokens, (0, 0, 0, pad)) for rows, pad in zip(inputs, padding, strict=True)]),
            torch.cat([F.pad(rows.mask, (0, pad)) for rows, pad in zip(inputs, padding, strict=True)]),
            self.fusion.project(pictures),
            torch.cat([rows.picture for rows in inputs]),
        )
        return list(fused.split([len(rows.tokens) for rows in inputs]))

    def _masked_language_loss(self, fused_BLC: Tensor, masked, teacher, batch: dict) -> Tensor:
        length = masked.predict_BL.shape[1]
        target_T = batch['token_ids'][masked.predict_BL]
        soft_TV, share = None, 0.0
        if self.mlm_distillation > 0:
            share = ramped(self.mlm_distillation, self.progress, self.ramp)
            soft_TV = self._taught_tokens(teacher[0].tokens, masked, batch)
        each_T = self.masked_language_head.loss(
            fused_BLC[:, :length][masked.predict_BL], self.towers.text_encoder.word_embeddings, target_T, soft_TV, share
        )
        return mean_over_processes(each_T.sum(), masked.predict_BL.sum())

    @torch.no_grad()
    def _taught_tokens(self, pictures: Tensor, masked, batch: dict) -> Tensor:
        """The teacher's distribution over the vocabulary at each masked position, (T, V)."""
        teacher = self.teacher
        tokens_BLC = teacher.towers.text_encoder(masked.token_ids_BL, batch['text_mask'])
        own_picture_B = torch.arange(len(pictures), device=pictures.device)
        fused = teacher.fusion(tokens_BLC, batch['text_mask'], teacher.fusion.project(pictures), own_picture_B)
        logits_TV = teacher.masked_language_head(fused[masked.predict_BL], teacher.towers.text_encoder.word_embeddings)
        return logits_TV.float().softmax(dim=1)
