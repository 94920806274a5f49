"""Are the attributes of objects recognised where they are?"""

from collections.abc import Sequence

import numpy as np
import torch

from sacl_mm.evaluation.ground_truth import GroundTruthMetric
from sacl_mm.functional.settings import check_finite
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError


@METRICS.register_module()
class CellAttributeAccuracy(GroundTruthMetric):
    """Share of the labelled cells with the right value, in percent, for each attribute: `cells/shape` and so on.

    Each predicted sample has `pred_cell_labels` and `gt_cell_labels` (cells, attributes) with -1 where there is no label.

    Args:
        attributes: their names, in the labels' order.
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        ValueError: no attributes.
        EvaluationError: labels of another shape, or no labelled cell in the whole set.
        NonFiniteError: predictions with NaN or infinity.
    """

    default_prefix = 'cells'

    def __init__(self, attributes: Sequence[str], collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if isinstance(attributes, str) or not attributes:
            raise ValueError(f"attributes must be a list of the labels' names, got {attributes!r}")
        self.attributes = list(attributes)

    def ground_truth(self, sample: dict) -> dict:
        labels = torch.as_tensor(self.annotated(sample, 'gt_cell_labels')).cpu()
        if labels.ndim != 2 or labels.shape[1] != len(self.attributes):
            raise EvaluationError(
                f'CellAttributeAccuracy has {len(self.attributes)} attributes, so that gt_cell_labels must be (cells, '
                f'{len(self.attributes)}), got {tuple(labels.shape)}'
            )
        return dict(labels=labels.numpy())

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            labels = self.ground_truth(sample)['labels']
            given = torch.as_tensor(self.predicted(sample, 'pred_cell_labels')).cpu()
            check_finite(given, 'pred_cell_labels of cells')
            predicted = given.numpy()
            if predicted.shape != labels.shape:
                raise EvaluationError(f'pred_cell_labels is {predicted.shape}, gt_cell_labels {labels.shape}')
            right = np.where(labels >= 0, predicted == labels, np.nan)
            self.results.append(right[~np.isnan(right).all(axis=1)])

    def compute_metrics(self, results: list[np.ndarray]) -> dict[str, float]:
        self.check_set(results)
        right = np.concatenate(results)
        unlabelled = [name for name, column in zip(self.attributes, right.T, strict=True) if np.isnan(column).all()]
        if unlabelled:
            raise EvaluationError(
                f'no cell of the set has a label of {", ".join(unlabelled)}: there is nothing to measure'
            )
        return dict(zip(self.attributes, (100 * np.nanmean(right, axis=0)).tolist(), strict=True))
