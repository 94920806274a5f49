"""Visual question answering.

Shapes: B questions, each with its image, N image tokens, L question tokens, A answers of all questions, C width.
"""

import json
import os
from collections.abc import Sequence

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.functional.length_buckets import pad_texts
from sacl_mm.functional.settings import check_count
from sacl_mm.models.part_sizes import check_answers_fit, check_towers, check_widths
from sacl_mm.models.starting_weights import fit_to_task
from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import MODELS, TASK_UTILS


@MODELS.register_module()
class VisualQuestionAnswering(VisionLanguageModel):
    """Image and question are encoded and fused as in pre-training; a decoder scores the answers (ALBEF, arXiv 2107.07651, Sec.
    4 and App. A).

    Training: -log p(answer | image, question), weighted by how many annotators gave it. Test: in a closed list, the
    `num_candidates` answers whose first token is most probable are ranked by likelihood. (ALBEF adds the first token's
    log-probability a second time.)

    Args:
        towers: a `TwoTower` without common space (`embed_dims=None`).
        multimodal_backbone: a `FusionEncoder`.
        answer_decoder: an `AnswerDecoder`.
        data_preprocessor: an `ImageTextPreprocessor`.
        answers: the closed list: a JSON file with a list of strings, the list itself, or a registered function that
            returns it, `dict(type='shape_world_answers')`.
        tokenizer: for the list; the same as in the pipeline.
        num_candidates: 128 in ALBEF.

    Raises:
        FileNotFoundError, ValueError: no such list, or not a list of different strings.
    """

    def __init__(
        self,
        towers: dict,
        multimodal_backbone: dict,
        answer_decoder: dict,
        data_preprocessor: dict,
        answers: str | Sequence[str] | dict,
        tokenizer: dict,
        num_candidates: int = 128,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor))
        self.towers = MODELS.build(towers)
        self.multimodal_backbone = MODELS.build(multimodal_backbone)
        self.answer_decoder = MODELS.build(answer_decoder)
        check_towers(self.data_preprocessor, self.towers)
        check_widths(self.towers, self.multimodal_backbone, answer_decoder=self.answer_decoder)
        check_count('num_candidates', num_candidates)
        self.answers = read_answers(answers)
        built = TASK_UTILS.build(dict(tokenizer, _scope_='sacl_mm')) if isinstance(tokenizer, dict) else tokenizer
        token_ids_AL, mask_AL = pad_texts([torch.tensor(built.encode(answer)) for answer in self.answers])
        check_answers_fit(token_ids_AL, self.answer_decoder)
        self.register_buffer('answer_token_ids', token_ids_AL, persistent=False)
        self.register_buffer('answer_mask', mask_AL, persistent=False)
        self.num_candidates = num_candidates

    def adapt_checkpoint(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """From a pre-trained model: as in ALBEF the decoder starts from the fusion encoder, its embeddings from the text
        backbone and its output layer from masked language modelling, where sizes agree."""
        if not any(key.startswith('answer_decoder.') for key in state):
            pretrained = {
                **_renamed(state, 'multimodal_backbone.layers.', 'answer_decoder.layers.'),
                **_renamed(state, 'towers.text_backbone.bert.embeddings.', 'answer_decoder.embeddings.'),
                **_renamed(state, 'masked_language_head.', 'answer_decoder.head.'),
            }
            own = _renamed(self.state_dict(), 'answer_decoder.', 'answer_decoder.')
            fits = {k: v for k, v in pretrained.items() if k in own and v.shape == own[k].shape}
            state = {**state, **own, **fits}
        return fit_to_task(state, self.state_dict())

    def _forward(self, batch: dict) -> Tensor:
        """The fused questions (B, L, C)."""
        return self.fuse(batch)

    def fuse(self, batch: dict) -> Tensor:
        if len(batch['token_ids']) != len(batch['images']):
            raise ValueError(
                f'a sample is one question about one image, the batch has {len(batch["token_ids"])} questions and '
                f'{len(batch["images"])} images'
            )
        image, text = self.towers(batch['images'], batch['token_ids'], batch['text_mask'])
        keys_values = self.multimodal_backbone.project(image.tokens, image.sizes)
        return self.multimodal_backbone(text.tokens, batch['text_mask'], keys_values)

    def loss(self, batch: dict) -> dict[str, Tensor]:
        fused_BLC = self.fuse(batch)
        samples, device = batch['data_samples'], fused_BLC.device
        answers = [torch.as_tensor(answer) for sample in samples for answer in sample.gt_answer_token_ids]
        if not answers:
            raise ValueError('no question of the batch has an answer: is this a test split?')
        token_ids_AL, mask_AL = (x.to(device) for x in pad_texts(answers, self.data_preprocessor.pad_token))
        weight_A = torch.tensor([weight for sample in samples for weight in sample.gt_answer_weight], device=device)
        number_B = torch.tensor([len(sample.gt_answer_token_ids) for sample in samples], device=device)
        log_p_A = self.answer_decoder.log_likelihood(
            token_ids_AL,
            mask_AL,
            self.answer_decoder.project(fused_BLC),
            batch['text_mask'],
            torch.arange(len(samples), device=device).repeat_interleave(number_B, output_size=len(answers)),
        )
        return dict(loss_answer=-(weight_A * log_p_A).sum() / len(samples))

    def predict(self, batch: dict) -> list[BaseDataElement]:
        """The samples with `pred_answer` (str) and `pred_score`, its log-likelihood."""
        place_BK, log_p_BK = self.answer_decoder.rank(
            self.fuse(batch), batch['text_mask'], self.answer_token_ids, self.answer_mask, self.num_candidates
        )
        samples = batch['data_samples']
        for sample, place, log_p in zip(samples, place_BK[:, 0].tolist(), log_p_BK[:, 0].tolist(), strict=True):
            sample.pred_answer, sample.pred_score = self.answers[place], log_p
        return samples


def read_answers(answers: str | Sequence[str] | dict) -> list[str]:
    """The closed list of answers, checked."""
    where = 'answers'
    if isinstance(answers, dict):
        answers = TASK_UTILS.build(dict(answers, _scope_='sacl_mm'))
    elif isinstance(answers, str):
        where = f"answer list '{answers}'"
        if not os.path.isfile(answers):
            raise FileNotFoundError(f'{where} does not exist: make it with tools/make_answer_list.py')
        with open(answers, encoding='utf-8') as file:
            try:
                answers = json.load(file)
            except json.JSONDecodeError as error:
                raise ValueError(f'{where} is not valid JSON ({error})') from error
    if not isinstance(answers, (list, tuple)) or not answers or not all(isinstance(a, str) and a for a in answers):
        raise ValueError(f'{where} must be a list of strings with at least one answer, e.g. ["yes", "no"]')
    if len(set(answers)) < len(answers):
        twice = sorted(answer for answer in set(answers) if answers.count(answer) > 1)
        raise ValueError(f'{where} has {len(twice)} answers twice: {twice[:5]}')
    return list(answers)


def _renamed(state: dict[str, Tensor], prefix: str, new: str) -> dict[str, Tensor]:
    return {new + key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
