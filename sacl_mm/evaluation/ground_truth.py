"""What a measure needs of a data set: looked at before a training, and again when it is taken.

Shapes: k texts of an image, E embedding.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.user_error import EvaluationError


class GroundTruthMetric(BaseMetric):
    """A metric that can tell from a data set, without a model, whether there is anything to measure.

    A subclass gives `ground_truth`, and extends `check_set`; both raise EvaluationError.
    """

    least_samples = 1

    def ground_truth(self, sample: dict) -> dict:
        """What the metric takes of a sample, or of an entry of the annotations, besides the model's predictions."""
        raise NotImplementedError

    def check_set(self, truths: Sequence) -> None:
        """Whether the measure can be taken of samples with these ground truths."""
        if len(truths) < self.least_samples:
            raise EvaluationError(
                f'{type(self).__name__} needs a set of at least {self.least_samples} samples, this one has {len(truths)}'
            )

    def annotated(self, sample: dict, key: str) -> Any:
        """A sample's value that comes from the annotations."""
        if sample.get(key) is None:
            raise EvaluationError(
                f'{type(self).__name__} needs `{key}` of every sample: the data set must have it, and PackInputs pass it on '
                '(algorithm_keys, meta_keys)'
            )
        return sample[key]

    def predicted(self, sample: dict, key: str) -> Any:
        """A sample's value that comes from the model."""
        if sample.get(key) is None:
            raise EvaluationError(f'{type(self).__name__} needs `{key}`, which this model does not predict')
        return sample[key]

    def feature_pair(self, sample: dict, name: object, texts: int | None = None) -> tuple[Tensor, Tensor]:
        """What two towers predict of a sample: features (E,) of its image and (k, E) of its texts, float32 on the CPU.

        Args:
            name: of the sample, for errors.
            texts: what k must be; None: anything.
        """
        image_E, text_kE = (
            torch.as_tensor(self.predicted(sample, key)).detach().float().cpu()
            for key in ('pred_image_feature', 'pred_text_features')
        )
        if image_E.ndim != 1 or text_kE.ndim != 2 or text_kE.shape[1] != len(image_E):
            raise EvaluationError(
                f'image {name} needs a pred_image_feature (E,) and pred_text_features (k, E), got {tuple(image_E.shape)} and '
                f'{tuple(text_kE.shape)}'
            )
        if texts is not None and len(text_kE) != texts:
            raise EvaluationError(f'image {name} has {texts} texts and features of {len(text_kE)}')
        return image_E, text_kE


def check_dataset(metric: BaseMetric, dataset: Sequence[dict]) -> None:
    """Whether a metric of ours can be taken of a data set; other metrics pass. For the start of a training, whose first
    evaluation would otherwise be what tells.

    The first sample goes through the pipeline, which may lose what the annotations have; of all others the annotations alone
    are looked at. What only the pipeline makes is not looked at.

    Raises:
        EvaluationError: says what is missing.
    """
    if not isinstance(metric, GroundTruthMetric):
        return
    if not len(dataset):
        metric.check_set([])
    item = dataset[0]
    if not isinstance(item, dict) or not isinstance(item.get('data_samples'), BaseDataElement):
        return
    seen = metric.ground_truth(item['data_samples'].to_dict())
    if not isinstance(dataset, BaseDataset):
        if len(dataset) < metric.least_samples:
            metric.check_set([seen])
        return
    # MMEngine's own version: a subclass may draw the image in its version.
    entries = [BaseDataset.get_data_info(dataset, index) for index in range(len(dataset))]
    try:
        truths = [metric.ground_truth(entries[0])]
    except EvaluationError:
        return
    lost = [key for key, value in truths[0].items() if isinstance(value, list) and value and not seen[key]]
    if lost:
        raise EvaluationError(
            f'{type(metric).__name__} needs `{lost[0]}`, which the annotations have and the pipeline does not pass on: name '
            'it in meta_keys of PackInputs'
        )
    metric.check_set(truths + [metric.ground_truth(entry) for entry in entries[1:]])


def write_predictions(path: str, text: str) -> None:
    """Write a file for an evaluation server or an official script, so that it is there whole or not at all, with the folders
    that it needs; the log names it."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f'.{target.name}.{os.getpid()}')
    unfinished.write_text(text, encoding='utf-8')
    os.replace(unfinished, target)
    MMLogger.get_current_instance().info(f'predictions written to {path}')
