"""SACL pre-training: contrast, matching and masked language modelling (Jiang et al., ACL 2023, on ALBEF's shape).

Shapes: B pairs in the local batch, L text tokens, T masked positions of all texts, C width, V vocabulary.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sacl_mm.functional.masking import MaskedTokens, mask_tokens
from sacl_mm.functional.picking import pick
from sacl_mm.functional.settings import check_count, check_number
from sacl_mm.layers import KeyValue
from sacl_mm.models.losses.policies.momentum_distillation import ramped
from sacl_mm.models.momentum import MomentumTeacher
from sacl_mm.models.part_sizes import check_vocabulary, check_widths
from sacl_mm.models.retrieval import ImageTextRetrieval, check_one_text_each
from sacl_mm.models.two_tower import Encoded
from sacl_mm.registry import MODELS


@MODELS.register_module()
class SACLPretrain(ImageTextRetrieval):
    """The two objectives of `ImageTextRetrieval` and masked language modelling from the fused text, summed.

    Args:
        towers, contrastive_loss, data_preprocessor, multimodal_backbone, matching_head, queue_size, reference_checkpoint,
            negative_temperature, evidence, negative_policy: as in `ImageTextRetrieval`.
        masked_language_head: a `MaskedLanguageHead`.
        mask_token: id of [MASK].
        momentum: options of `MomentumTeacher`, plus `mlm_distillation`, the teacher's share in the targets of masked language
            modelling (0.4 in ALBEF; with 0 the teacher has no multimodal backbone), after a `ramp` as in
            `MomentumDistillation`. None: no teacher.
    """

    def __init__(
        self,
        towers: dict,
        contrastive_loss: dict,
        data_preprocessor: dict,
        multimodal_backbone: dict,
        matching_head: dict,
        masked_language_head: dict,
        mask_token: int,
        queue_size: int = 65536,
        momentum: dict | None = None,
        reference_checkpoint: str | None = None,
        diagnostics_interval: int = 50,
        negative_temperature: float | Sequence[float] | None = None,
        evidence: dict[str, dict] | None = None,
        negative_policy: dict | None = None,
    ) -> None:
        of_teacher = dict(momentum or {})
        mlm_distillation, ramp = of_teacher.pop('mlm_distillation', 0.0), of_teacher.pop('ramp', 1 / 30)
        check_number('mlm_distillation', mlm_distillation, '[0, 1]')
        check_number('ramp', ramp, '[0, 1]')
        super().__init__(
            towers,
            contrastive_loss,
            data_preprocessor,
            multimodal_backbone,
            matching_head,
            queue_size,
            None if momentum is None else of_teacher,
            reference_checkpoint,
            diagnostics_interval,
            negative_temperature,
            evidence,
            negative_policy,
        )
        self.masked_language_head = MODELS.build(masked_language_head)
        check_vocabulary('masked_language_head', len(self.masked_language_head.bias), self.towers)
        check_widths(self.towers, self.multimodal_backbone, masked_language_head=self.masked_language_head)
        check_count('mask_token', mask_token, 0, self.data_preprocessor.vocab_size - 1)
        self.mask_token = mask_token
        self.mlm_distillation, self.ramp = mlm_distillation, ramp
        if self.teacher is not None and mlm_distillation > 0:
            self.teacher.add(
                dict(multimodal_backbone=self.multimodal_backbone, masked_language_head=self.masked_language_head)
            )

    def loss(self, batch: dict) -> dict[str, Tensor]:
        check_one_text_each(batch)
        image, text = self.extract_feat(batch)
        teacher = self._encode_by_teacher(batch)
        keys_values = self.multimodal_backbone.project(image.tokens, image.sizes)
        evidence = self._all_evidence(batch, teacher)
        return {
            **self._contrast(image, text, evidence, batch),
            **self._match(image, text, keys_values, evidence, batch),
            **self._predict_masked(keys_values, teacher and teacher[0], batch),
        }

    def _predict_masked(
        self, keys_values: list[KeyValue], teacher_image: Encoded | None, batch: dict
    ) -> dict[str, Tensor]:
        """Masked language modelling; `teacher_image`: the images as the teacher encodes them."""
        vocab_size = self.data_preprocessor.vocab_size
        masked = mask_tokens(
            batch['token_ids'], batch['text_mask'], batch['text_ids'], self.step_seed, self.mask_token, vocab_size
        )
        place_T = masked.predict_BL.flatten().nonzero()[:, 0]
        fused_TC = _fuse_masked(self, keys_values, masked, batch['text_mask'], place_T)
        soft_TV = None
        if teacher_image is not None and self.mlm_distillation > 0:
            soft_TV = self._teacher_words(teacher_image, masked, batch['text_mask'], place_T)
        target_T = batch['token_ids'].flatten()[place_T]
        share = ramped(self.mlm_distillation, self.progress, self.ramp)
        words_VC = self.towers.text_backbone.word_embeddings.weight
        return self.masked_language_head.loss(fused_TC, words_VC, target_T, soft_TV, share)

    @torch.no_grad()
    def _teacher_words(self, image: Encoded, masked: MaskedTokens, mask_BL: Tensor, place_T: Tensor) -> Tensor:
        """The teacher's distribution over the vocabulary at each masked position, (T, V)."""
        teacher = self.teacher
        assert teacher is not None
        keys_values = teacher.multimodal_backbone.project(image.tokens, image.sizes)
        fused_TC = _fuse_masked(teacher, keys_values, masked, mask_BL, place_T)
        words_VC = teacher.towers.text_backbone.word_embeddings.weight
        return teacher.masked_language_head(fused_TC, words_VC).float().softmax(dim=1)


def _fuse_masked(
    model: SACLPretrain | MomentumTeacher,
    keys_values: list[KeyValue],
    masked: MaskedTokens,
    mask_BL: Tensor,
    place_T: Tensor,
) -> Tensor:
    """The fused tokens (T, C) at the masked positions `place_T` among all texts' tokens, by the student or its teacher."""
    text = model.towers.encode_text(masked.token_ids_BL, mask_BL)
    fused_BLC = model.multimodal_backbone(text.tokens, mask_BL, keys_values)
    return pick(fused_BLC.flatten(0, 1), place_T)
