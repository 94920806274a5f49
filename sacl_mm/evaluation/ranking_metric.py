"""Ranking measured from scores that a model gives, for models of other libraries. Shapes: Q queries, M candidates."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from sacl_mm.functional.ranking import best_ranks, checked_topk, graded_measures, recall_at
from sacl_mm.functional.settings import check_finite
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError


@METRICS.register_module()
class RankingMetric(BaseMetric):
    """How well each sample's `pred_score` (M,) ranks its true candidates, `gt_label` (one index or several).

    That is what mmpretrain's retrievers (`BlipRetrieval` with its `RetrievalValLoop`) and classifiers predict. Reported in
    percent: `R@k`, whether one of the true candidates is among the first k; `mAP`, mean average precision over all of
    them. Ties count against the model.

    Unlike `RetrievalMetric` it needs no features, and knows no true match but the annotated ones.

    Args:
        topk: the k of R@k, one or several.
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        ValueError: topk is not of whole numbers of at least 1.
        EvaluationError: a sample without a label, or with one that is no candidate's number; a set without samples.
        NonFiniteError: scores with NaN or infinity.
    """

    default_prefix = 'ranking'

    def __init__(
        self, topk: int | Sequence[int] = (1, 5, 10), collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.topk = checked_topk(topk)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            missing = [key for key in ('pred_score', 'gt_label') if sample.get(key) is None]
            if missing:
                raise EvaluationError(f'RankingMetric needs `{missing[0]}` of every sample')
            score_1M = torch.as_tensor(sample['pred_score']).detach().float().cpu().flatten()[None]
            check_finite(score_1M, f'pred_score of sample {len(self.results)}')
            labels = torch.as_tensor(sample['gt_label']).cpu().flatten()
            if not len(labels):
                raise EvaluationError('a sample has an empty gt_label: nothing is true of it, so it cannot be ranked')
            if labels.is_floating_point() or labels.min() < 0 or labels.max() >= score_1M.shape[1]:
                raise EvaluationError(
                    f'a sample has the gt_label {labels.tolist()}, which must be whole numbers below {score_1M.shape[1]}, the '
                    'number of its scores'
                )
            own_1M = torch.zeros_like(score_1M, dtype=torch.bool)
            own_1M[:, labels] = True
            # Reduced at once: a matrix of all scores of COCO's test set would take half a gigabyte.
            precision = graded_measures(score_1M, own_1M, own_1M)['mAP']
            self.results.append((best_ranks(score_1M, own_1M).item(), precision))

    def compute_metrics(self, results: list[tuple[int, float]]) -> dict[str, float]:
        if not results:
            raise EvaluationError('RankingMetric needs at least one sample')
        ranks, precisions = zip(*results, strict=True)
        recalls = {f'R@{k}': recall_at(torch.tensor(ranks), k) for k in self.topk}
        return recalls | {'mAP': sum(precisions) / len(precisions)}
