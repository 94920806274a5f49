"""Statements about two images. Shapes: B statements, L their tokens, N image tokens, C width."""

import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from sacl_mm.functional.settings import check_finite
from sacl_mm.models.fusion import PairedFusionEncoder
from sacl_mm.models.part_sizes import check_towers, check_widths
from sacl_mm.models.starting_weights import fit_to_task
from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import MODELS


class ImagePairModel(VisionLanguageModel):
    """A text fused with two images; subclasses classify its fused [CLS].

    Args:
        towers: a `TwoTower` without common space (`embed_dims=None`).
        multimodal_backbone: a `PairedFusionEncoder`.
        data_preprocessor: an `ImageTextPreprocessor`.
    """

    def __init__(self, towers: dict, multimodal_backbone: dict, data_preprocessor: dict) -> None:
        super().__init__(MODELS.build(data_preprocessor))
        self.towers = MODELS.build(towers)
        self.multimodal_backbone: PairedFusionEncoder = MODELS.build(multimodal_backbone)
        check_towers(self.data_preprocessor, self.towers)
        check_widths(self.towers, self.multimodal_backbone)

    def adapt_checkpoint(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """From a model of single images: each fusion layer becomes two, and a head that the checkpoint lacks starts afresh."""
        layers = {key.split('.')[2] for key in state if key.startswith('multimodal_backbone.layers.')}
        if 2 * len(layers) == len(self.multimodal_backbone.layers):
            state = self.multimodal_backbone.doubled(state)
        own = self.state_dict()
        heads = {key.split('.')[0] for key in own} - {'towers', 'multimodal_backbone'}
        for head in heads - {key.split('.')[0] for key in state}:
            state = state | {key: value for key, value in own.items() if key.startswith(f'{head}.')}
        return fit_to_task(state, own)

    def fuse(self, batch: dict, image_index: Tensor) -> Tensor:
        """The fused [CLS] (B, C) of text b with the batch's images `image_index[b]`, (B, 2)."""
        image, text = self.towers(batch['images'], batch['token_ids'], batch['text_mask'])
        keys_values = self.multimodal_backbone.project(image.tokens, image.sizes)
        return self.multimodal_backbone(text.tokens, batch['text_mask'], keys_values, image_index, first=1)[:, 0]

    def _forward(self, batch: dict) -> Tensor:
        return self.logits(batch)


@MODELS.register_module()
class ImagePairReasoning(ImagePairModel):
    """NLVR2: is a statement true of two images? Two layers on the fused [CLS] (ALBEF, arXiv 2107.07651, Sec. 4)."""

    def __init__(self, towers: dict, multimodal_backbone: dict, data_preprocessor: dict) -> None:
        super().__init__(towers, multimodal_backbone, data_preprocessor)
        width = self.multimodal_backbone.width
        self.classifier = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))

    def logits(self, batch: dict) -> Tensor:
        """(B, 2): false, true."""
        count = len(batch['token_ids'])
        if len(batch['images']) != 2 * count:
            raise ValueError(
                f'a sample is one statement about two images, the batch has {count} statements and '
                f'{len(batch["images"])} images'
            )
        first_B = torch.arange(count, device=batch['images'].device)
        return self.classifier(self.fuse(batch, torch.stack([first_B, first_B + count], dim=1))).float()

    def loss(self, batch: dict) -> dict[str, Tensor]:
        logits_B2 = self.logits(batch)
        label_B = torch.cat([sample.gt_label for sample in batch['data_samples']]).to(logits_B2.device)
        accuracy = (logits_B2.argmax(dim=1) == label_B).float().mean()
        return dict(loss_statement=F.cross_entropy(logits_B2, label_B), accuracy=accuracy)

    def predict(self, batch: dict) -> list[BaseDataElement]:
        samples, logits_B2 = batch['data_samples'], self.logits(batch)
        check_finite(logits_B2, 'logits of the statements, by number in the batch')
        for sample, scores in zip(samples, logits_B2.softmax(dim=1), strict=True):
            sample.pred_label, sample.pred_score = int(scores.argmax()), scores
        return samples
