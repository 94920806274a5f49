"""Pre-training for NLVR2 on image-text pairs. Shapes: B pairs, C width."""

import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from sacl_mm.functional.keyed_random import keyed_uniform, sample_hard_negatives
from sacl_mm.functional.settings import check_finite
from sacl_mm.models.nlvr2 import ImagePairModel
from sacl_mm.registry import MODELS

FIRST, SECOND, NEITHER = range(3)


@MODELS.register_module()
class TextAssignment(ImagePairModel):
    """Which of two images does a text belong to: the first, the second, or neither? (ALBEF, arXiv 2107.07651, Sec. 4.)

    Of the batch's B image-text pairs each text meets two images: its own and another, in either order, or two others.
    The three cases are equally likely; the draw is a function of (seed, iteration, text id).
    """

    def __init__(self, towers: dict, multimodal_backbone: dict, data_preprocessor: dict) -> None:
        super().__init__(towers, multimodal_backbone, data_preprocessor)
        self.assignment_head = nn.Linear(self.multimodal_backbone.width, 3)

    def draw(self, batch: dict, seed: int) -> tuple[Tensor, Tensor]:
        """The first and second image of each text, (B, 2), and the case: which of them, or neither, the text belongs to,
        (B,)."""
        if len({sample.image_id for sample in batch['data_samples']}) < 2:
            raise ValueError('text assignment needs a batch with more than one image')
        image_ids, text_ids = batch['image_ids'], batch['text_ids']
        own_B = torch.arange(len(image_ids), device=image_ids.device)
        case_B = (3 * keyed_uniform(seed, text_ids)).long().clamp(max=NEITHER)
        same_BB = image_ids[:, None] == image_ids[None, :]
        equal_BB = torch.zeros(same_BB.shape, device=same_BB.device)
        other_B, another_B = (
            sample_hard_negatives(equal_BB, same_BB, text_ids, text_ids, 2 * seed + use) for use in range(2)
        )
        first_B = torch.where(case_B == FIRST, own_B, other_B)
        second_B = torch.where(case_B == SECOND, own_B, torch.where(case_B == FIRST, other_B, another_B))
        return torch.stack([first_B, second_B], dim=1), case_B

    def logits(self, batch: dict) -> Tensor:
        """(B, 3): first, second, neither, for the images that `predict` draws."""
        return self._assign(batch, seed=-1)[0]

    def _assign(self, batch: dict, seed: int) -> tuple[Tensor, Tensor]:
        """The logits (B, 3) for the images drawn with `seed`, and the cases (B,) that are right."""
        if len(batch['token_ids']) != len(batch['images']):
            raise ValueError(
                f'text assignment takes one text per image, the batch has {len(batch["token_ids"])} texts for '
                f"{len(batch['images'])} images: add dict(type='SampleCaption') to the pipeline"
            )
        image_index, case_B = self.draw(batch, seed)
        return self.assignment_head(self.fuse(batch, image_index)).float(), case_B

    def loss(self, batch: dict) -> dict[str, Tensor]:
        logits_B3, case_B = self._assign(batch, self.step_seed)
        accuracy = (logits_B3.argmax(dim=1) == case_B).float().mean()
        return dict(loss_assignment=F.cross_entropy(logits_B3, case_B), accuracy=accuracy)

    def predict(self, batch: dict) -> list[BaseDataElement]:
        """The samples with `pred_score`, `pred_label` and `gt_label`, as mmpretrain's `Accuracy` reads them; the images are
        drawn among those of the test batch, the same in each test."""
        logits_B3, case_B = self._assign(batch, seed=-1)
        check_finite(logits_B3, 'logits of the texts, by number in the batch')
        samples = batch['data_samples']
        for sample, scores, case in zip(samples, logits_B3.softmax(dim=1), case_B, strict=True):
            sample.pred_score, sample.pred_label, sample.gt_label = scores, scores.argmax()[None], case[None]
        return samples
