"""Are the attributes of objects recognised where they are?"""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from sacl_mm.registry import METRICS


@METRICS.register_module()
class CellAttributeAccuracy(BaseMetric):
    """Share of the labelled cells with the right value, in percent, for each attribute: `cells/shape` and so on.

    Each predicted sample has `pred_label` and `cell_labels` (cells, attributes) with -1 where there is no label.

    Args:
        attributes: their names, in the labels' order.
        collect_device, prefix: as in MMEngine's BaseMetric.
    """

    default_prefix = 'cells'

    def __init__(self, attributes: Sequence[str], collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.attributes = list(attributes)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            labels, predicted = (torch.as_tensor(sample[name]).cpu().numpy() for name in ('cell_labels', 'pred_label'))
            right = np.where(labels >= 0, predicted == labels, np.nan)
            self.results.append(right[~np.isnan(right).all(axis=1)])

    def compute_metrics(self, results: list[np.ndarray]) -> dict[str, float]:
        right = np.nanmean(np.concatenate(results), axis=0)
        return {name: 100 * float(share) for name, share in zip(self.attributes, right, strict=True)}
