"""Attributes of the object in each cell of a feature map.

Shapes: B images, C channels, H x W cells, A attributes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from sacl_mm.functional.settings import check_count, check_finite
from sacl_mm.registry import MODELS


@MODELS.register_module()
class CellAttributeHead(BaseModule):
    """A linear classifier per attribute on every cell of the last feature map; a head for `mmpretrain.ImageClassifier`.

    Each sample has `gt_cell_labels`, (H * W, A) integers with -1 where nothing is to be learned.

    Args:
        in_channels: C.
        num_values: how many values each attribute has.
    """

    def __init__(self, in_channels: int, num_values: Sequence[int]) -> None:
        super().__init__()
        check_count('in_channels', in_channels)
        if not num_values:
            raise ValueError('num_values must have one number for each attribute, got none')
        for number in num_values:
            check_count('num_values', number)
        self.num_values = list(num_values)
        self.classifier = nn.Linear(in_channels, sum(self.num_values))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Logits (B, H * W, values) of each attribute, from a (B, C, H, W) map."""
        return self.classifier(features[-1].flatten(2).transpose(1, 2)).split(self.num_values, dim=-1)

    def loss(self, features: Sequence[Tensor], data_samples: list[BaseDataElement]) -> dict[str, Tensor]:
        """Cross entropy, summed over attributes, averaged over the cells that are labelled."""
        logits = self(features)
        labels_BNA = self._labels(data_samples, logits)
        each = [
            F.cross_entropy(part.flatten(0, 1), labels_BNA[..., a].flatten(), ignore_index=-1)
            for a, part in enumerate(logits)
        ]
        return dict(loss=torch.stack(each).sum())

    def predict(self, features: Sequence[Tensor], data_samples: list[BaseDataElement]) -> list[BaseDataElement]:
        """Sets `pred_cell_labels` (H * W, A) of each sample."""
        logits = self(features)
        check_finite(torch.cat(logits, dim=-1), 'logits of the cells, by image of the batch')
        predicted_BNA = torch.stack([part.argmax(dim=-1) for part in logits], dim=-1)
        for sample, predicted_NA in zip(data_samples, predicted_BNA, strict=True):
            sample.pred_cell_labels = predicted_NA
        return data_samples

    @staticmethod
    def _labels(data_samples: list[BaseDataElement], logits: list[Tensor]) -> Tensor:
        like = logits[0]
        labels_BNA = torch.stack([torch.as_tensor(sample.gt_cell_labels) for sample in data_samples]).to(like.device)
        if labels_BNA.shape[:2] != like.shape[:2]:
            raise ValueError(
                f'the feature map has {like.shape[1]} cells, the labels have {labels_BNA.shape[1]}: '
                "set the dataset's grid to the side of the feature map"
            )
        if labels_BNA.shape[2] != len(logits):
            raise ValueError(
                f'the head has {len(logits)} attributes, the labels have {labels_BNA.shape[2]}: '
                "num_values needs one number for each, the dataset's presence included"
            )
        return labels_BNA
