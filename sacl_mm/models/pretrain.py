"""SACL pre-training: contrast, matching and masked language modelling (Jiang et al., ACL 2023, on ALBEF's shape).

Shapes: B pairs in the local batch, L text tokens, C width, T masked positions, P at most in a text, V vocabulary.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sacl_mm.functional.distributed import mean_over_processes
from sacl_mm.functional.masking import PredictedFirst, mask_tokens
from sacl_mm.functional.settings import check_count, check_number
from sacl_mm.layers.tied_embedding import TiedEmbedding
from sacl_mm.models.losses.policies.momentum_distillation import ramped
from sacl_mm.models.part_sizes import check_vocabulary, check_widths
from sacl_mm.models.retrieval import ImageTextRetrieval, check_one_text_each
from sacl_mm.models.two_tower import Encoded
from sacl_mm.registry import MODELS


@MODELS.register_module()
class SACLPretrain(ImageTextRetrieval):
    """The two objectives of `ImageTextRetrieval` and masked language modelling from the fused text, summed.

    The teacher's predictions can be soft targets of masked language modelling. What is matched and what is masked is fused in
    one pass, in which it shares a picture's keys and values.

    Args:
        towers, contrastive_loss, data_preprocessor, fusion, matching_head, queue_size, reference_checkpoint,
            negative_temperature: as in `ImageTextRetrieval`.
        masked_language_head: a `MaskedLanguageHead`.
        mask_token: id of [MASK].
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
        negative_temperature: float | Sequence[float] | None = None,
    ) -> None:
        of_teacher = dict(momentum or {})
        mlm_distillation, ramp = of_teacher.pop('mlm_distillation', 0.0), of_teacher.pop('ramp', 1 / 30)
        check_number('mlm_distillation', mlm_distillation, '[0, 1]')
        check_number('ramp', ramp, '[0, 1]')
        super().__init__(
            towers,
            contrastive_loss,
            data_preprocessor,
            fusion,
            matching_head,
            queue_size,
            None if momentum is None else of_teacher,
            reference_checkpoint,
            diagnostics_interval,
            negative_temperature,
        )
        self.masked_language_head = MODELS.build(masked_language_head)
        check_vocabulary('masked_language_head', len(self.masked_language_head.bias), self.towers)
        check_widths(self.towers, self.fusion, masked_language_head=self.masked_language_head)
        check_count('mask_token', mask_token, 0, self.data_preprocessor.vocab_size - 1)
        self.mask_token = mask_token
        self.mlm_distillation, self.ramp = mlm_distillation, ramp
        if mlm_distillation > 0:
            self.teacher.add(dict(fusion=self.fusion, masked_language_head=self.masked_language_head))

    def loss(self, batch: dict) -> dict[str, Tensor]:
        check_one_text_each(batch)
        masked = mask_tokens(
            batch['token_ids'],
            batch['text_mask'],
            batch['text_ids'],
            self.draw,
            self.mask_token,
            self.data_preprocessor.vocab_size,
        )
        predicted = PredictedFirst(masked.predict_BL)
        target_T = batch['token_ids'][masked.predict_BL]
        # Both texts in one pass: each weight is read once, and its gradient written once.
        both = batch | dict(
            token_ids=torch.cat([batch['token_ids'], masked.token_ids_BL]), text_mask=batch['text_mask'].repeat(2, 1)
        )
        pairs = len(batch['images'])
        words = TiedEmbedding(self.towers.text_encoder.word_embeddings)
        with words.looked_up():
            image, texts = self.encode(both, guides=pairs)
        taught = self._teach(both if self.mlm_distillation > 0 else batch, guides=pairs)
        plain, other = slice(pairs), slice(pairs, None)
        text, masked_BLC = texts.rows(plain), predicted.sort(texts.tokens[other])
        teacher = taught and (taught[0], taught[1].rows(plain))
        losses = self._contrast(image, text, teacher, batch)
        rows = self._matching_rows(image, text, batch, self.draw)
        # The masked texts, of which the masked tokens are read, and those that are matched in one pass, too.
        padding = rows.mask.shape[1] - masked_BLC.shape[1]
        masked_BPC, first_R1C = self.fusion.of_two_kinds(
            pairs,
            torch.cat([F.pad(masked_BLC, (0, 0, 0, padding)), rows.tokens]),
            torch.cat([F.pad(batch['text_mask'], (0, padding)), rows.mask]),
            self.fusion.projections(rows.pictures, rows.sizes),
            rows.picture,
            first=(predicted.most, 1),
        )
        losses['loss_itm'] = self._matching_loss(first_R1C, rows)
        soft_TV = None
        if self.mlm_distillation > 0:
            soft_TV = self._taught_tokens(taught[0], taught[1].tokens[other], batch['text_mask'], predicted)
        share = ramped(self.mlm_distillation, self.progress, self.ramp)
        each_T = self.masked_language_head.loss(predicted.take(masked_BPC), words, target_T, soft_TV, share)
        losses['loss_mlm'] = mean_over_processes(each_T.sum(), masked.predict_BL.sum())
        return losses

    @torch.no_grad()
    def _taught_tokens(self, image: Encoded, masked_BLC: Tensor, mask_BL: Tensor, predicted: PredictedFirst) -> Tensor:
        """The teacher's distribution over the vocabulary at each masked position, (T, V)."""
        teacher = self.teacher
        keys_values = teacher.fusion.projections(image.tokens, image.sizes)
        fused_BPC = teacher.fusion(predicted.sort(masked_BLC), mask_BL, keys_values, first=predicted.most)
        words_VC = teacher.towers.text_encoder.word_embeddings.weight
        return teacher.masked_language_head(predicted.take(fused_BPC), words_VC).float().softmax(dim=1)
