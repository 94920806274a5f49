"""Retrieval, by the two towers or with re-ranking."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmengine.logging import MMLogger, print_log

from sacl_mm.evaluation.pair_scores import PairScoresMetric, final_scores, protocol_of
from sacl_mm.functional.ranking import best_ranks, checked_topk, graded_measures, recall_at
from sacl_mm.registry import METRICS, TASK_UTILS


@METRICS.register_module()
class RetrievalMetric(PairScoresMetric):
    """Text retrieval (TR: image -> its texts) and image retrieval (IR: text -> its image) among all pairs of a test set.

    The score is the cosine of the two towers' features, of any length; in a `RerankingTestLoop` the candidates that it
    proposes are put in the order of the matching scores, and all others follow. It runs in MMEngine's own validation and test
    loops as well, on any number of processes (a sample that a sampler repeats is counted once).

    Each predicted sample has `image_id`, `text_ids`, `pred_image_feature` (E,), `pred_text_features` (k, E), after re-ranking
    also `pred_reranking`. Reported in percent:
    `TR/R@k`, `IR/R@k` and `R@mean`, the mean of them all. With `relevance`, also `TR/...` and `IR/...` of
    `sacl_mm.functional.ranking.graded_measures` and `mAP`, the mean of both directions.

    Args:
        topk: the k of R@k, one or several.
        relevance: what tells all true matches, not only the annotated ones: maps (image ids, text ids) to a boolean
            (images, texts) array. A config for TASK_UTILS (`ShapeWorldRelevance`) or the function itself.
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        ValueError: topk is not of whole numbers of at least 1.
        EvaluationError: a sample lacks ids or features, an image comes twice or without texts, or there is one image only.
        NonFiniteError: features or re-ranking scores with NaN or infinity.
    """

    default_prefix = 'retrieval'

    def __init__(
        self,
        topk: int | Sequence[int] = (1, 5, 10),
        relevance: dict | Callable | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.topk = checked_topk(topk)
        self.relevance = TASK_UTILS.build(relevance) if isinstance(relevance, dict) else relevance

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        self.check_set(results)
        image_ids = torch.tensor([result['image_id'] for result in results])
        owners = torch.tensor([result['image_id'] for result in results for _ in result['text_ids']])
        text_ids = np.array([text_id for result in results for text_id in result['text_ids']])
        own = image_ids[:, None] == owners[None, :]
        relevant = None
        if self.relevance is not None:
            relevant = torch.as_tensor(self.relevance(image_ids.numpy(), text_ids)) | own

        by_image, by_text = final_scores(results)
        metrics: dict[str, float] = {}
        for direction, final, true in (('TR', by_image, own), ('IR', by_text, own.t())):
            ranks = best_ranks(final, true)
            measures = {f'R@{k}': recall_at(ranks, k) for k in self.topk}
            if relevant is not None:
                measures |= graded_measures(final, true, relevant if direction == 'TR' else relevant.t())
            metrics |= {f'{direction}/{name}': value for name, value in measures.items()}
        recalls = [value for name, value in metrics.items() if '/R@' in name]
        metrics['R@mean'] = sum(recalls) / len(recalls)
        if relevant is not None:
            metrics['mAP'] = (metrics['TR/mAP'] + metrics['IR/mAP']) / 2
        if max(self.topk) >= len(image_ids):
            print_log(
                f'R@{max(self.topk)} among {len(image_ids)} images is 100 whatever the model: use a smaller topk',
                logger='current',
                level=logging.WARNING,
            )
        self._log_table(metrics, len(image_ids), len(text_ids), protocol_of(results[0]))
        return metrics

    @staticmethod
    def _log_table(metrics: dict[str, float], images: int, texts: int, protocol: str) -> None:
        names = [name.removeprefix('TR/') for name in metrics if name.startswith('TR/')]
        widths = [max(8, len(name)) for name in names]
        lines = [
            f'retrieval among {images:,} images x {texts:,} texts; protocol: {protocol}',
            ' ' * 18 + '  '.join(name.rjust(width) for name, width in zip(names, widths, strict=True)),
        ]
        for direction, label in (('TR', 'image -> text'), ('IR', 'text -> image')):
            values = (f'{metrics[f"{direction}/{name}"]:.2f}'.rjust(w) for name, w in zip(names, widths, strict=True))
            lines.append(f'{direction} {label:14s} ' + '  '.join(values))
        MMLogger.get_current_instance().info('\n'.join(lines))
