"""COCO's test set with the matches that its annotation misses: ECCV Caption and CrissCrossed Captions.

Shapes: N images, T texts, Q queries, M candidates.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger
from torch import Tensor

from sacl_mm.evaluation.pair_scores import PairScoresMetric, final_scores, protocol_of
from sacl_mm.functional.ranking import first_candidates
from sacl_mm.registry import METRICS, TASK_UTILS
from sacl_mm.user_error import EvaluationError, UserError

_TOPK = (1, 5, 10)
_FOLDS = 5
_QUERIES = 1024  # at a time
_SIDES = {'i2t': 'TR', 't2i': 'IR'}  # the package's names and ours
_NAMES = {'eccv_map_at_r': 'mAP@R', 'eccv_rprecision': 'R-Precision', 'eccv_r1': 'R@1'}


@METRICS.register_module()
class EccvCaption(PairScoresMetric):
    """Retrieval on COCO's Karpathy test split by the package eccv_caption, which has matches beyond the annotated pairs.

    In percent, `TR` (image -> texts) and `IR` (text -> images):

    * `TR/mAP@R`, `TR/R-Precision`, `TR/R@1`: ECCV Caption, with verified matches of 1,261 images and 1,332 captions (Chun et
      al., ECCV 2022, arXiv 2204.03359). R is the number of a query's matches; mAP@R is the measure that its authors recommend.
    * `CxC/TR/R@k`: CrissCrossed Captions (Parekh et al., EACL 2021).
    * `COCO_1K/TR/R@k`: the annotated pairs, mean of five folds of 1,000 images; `COCO_5K/TR/R@k`: all 5,000.

    A sample is as in `RetrievalMetric`, with COCO's file name in `img_path`, and `text`, its captions. The benchmark takes
    five captions of each image; further ones are left out. Of equal scores those of matches come last.

    Args:
        coco_ids: a config for TASK_UTILS: `dict(type='coco_ids', ann_file=...)`, where COCO's ids of images and captions
            are: dataset_coco.json, or captions_val2014.json.
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        UserError: eccv_caption is not installed.
        EvaluationError: the set is not exactly that split, its captions are not those of `coco_ids`, or `coco_ids` lacks some.
        NonFiniteError: features or re-ranking scores with NaN or infinity.
    """

    default_prefix = 'eccv'

    def __init__(self, coco_ids: dict, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.benchmark = _benchmark()
        captions_of = self.benchmark.coco_gts['i2t']
        self.images = {
            name: image for name, image in TASK_UTILS.build(coco_ids).items() if image.image_id in captions_of
        }
        known = {image.image_id: set(image.caption_ids) for image in self.images.values()}
        lacking = [image_id for image_id, own in captions_of.items() if not known.get(image_id, set()).issuperset(own)]
        if lacking:
            raise EvaluationError(
                f"coco_ids lacks {len(lacking):,} of the {len(captions_of):,} images of COCO's Karpathy test split or "
                f'captions of theirs, the first with id {lacking[0]}: ann_file must be dataset_coco.json or '
                'captions_val2014.json'
            )

    def ground_truth(self, sample: dict) -> dict:
        name = os.path.basename(self.annotated(sample, 'img_path'))
        return dict(super().ground_truth(sample), name=name, text=list(sample.get('text') or []))

    def check_set(self, truths: Sequence[dict]) -> None:
        super().check_set(truths)
        names = {truth['name'] for truth in truths}
        if len(names) < len(truths):
            raise EvaluationError(f'{len(truths):,} images of this set have {len(names):,} names: each must come once')
        for others, what in (
            (names - self.images.keys(), "images of this set are not of COCO's Karpathy test split"),
            (self.images.keys() - names, "images of COCO's Karpathy test split are not in this set"),
        ):
            if others:
                raise EvaluationError(
                    f'{len(others):,} {what}, one is {min(others)}: EccvCaption needs exactly that split (dataset_coco.json, '
                    "split='test') with COCO's file names"
                )
        for truth in truths:
            self._check_captions(truth)

    def _check_captions(self, truth: dict) -> None:
        """Ids are given by place, so the captions must stand in the same order."""
        captions = self.images[truth['name']].captions
        if len(captions) != len(truth['text_ids']):
            raise EvaluationError(
                f'{truth["name"]} has {len(truth["text_ids"])} captions in this set and {len(captions)} in the file of '
                'coco_ids: use the same file'
            )
        for text, caption in zip(truth['text'], captions, strict=False):
            given, own = _letters(text), _letters(caption)  # the pipeline may have cleaned or cut the text
            if given not in own and own not in given:
                raise EvaluationError(
                    f'{truth["name"]} has the caption {text!r} in this set where the file of coco_ids has {caption!r}: both '
                    'must have the captions in the same order; use the same file'
                )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        self.check_set(results)
        by_image_NT, by_text_TN = final_scores(results)
        own = [self.images[result['name']] for result in results]
        image_ids = [image.image_id for image in own]
        all_ids = [caption_id for image in own for caption_id in image.caption_ids]
        kept = [place for place, caption_id in enumerate(all_ids) if caption_id in self.benchmark.coco_gts['t2i']]
        caption_ids = [all_ids[place] for place in kept]
        rankers = dict(
            i2t=_Ranker(by_image_NT[:, kept], image_ids, caption_ids),
            t2i=_Ranker(by_text_TN[kept], caption_ids, image_ids),
        )
        metrics = self._measure(rankers)
        left_out = f' ({len(all_ids) - len(kept)} further ones left out)' if len(kept) < len(all_ids) else ''
        lines = [
            f'COCO with missing matches, {len(image_ids):,} images x {len(kept):,} texts{left_out}; protocol: '
            f'{protocol_of(results[0])}'
        ]
        for source in ('', 'CxC/', 'COCO_1K/', 'COCO_5K/'):
            for side in _SIDES.values():
                start = f'{source}{side}/'
                shown = (
                    f'{name.removeprefix(start)} {metrics[name]:.2f}' for name in metrics if name.startswith(start)
                )
                lines.append(f'{source.strip("/") or "ECCV":8s} {side}  ' + '  '.join(shown))
        MMLogger.get_current_instance().info('\n'.join(lines))
        return metrics

    def _measure(self, rankers: Mapping[str, '_Ranker']) -> dict[str, float]:
        benchmark = self.benchmark
        ranking = {side: ranker.first(benchmark.eccv_gts[side]) for side, ranker in rankers.items()}
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            values = benchmark.eccv_metrics(ranking, 'all')
        metrics = {
            f'{side}/{name}': 100 * float(values[key][theirs])
            for theirs, side in _SIDES.items()
            for key, name in _NAMES.items()
        }
        in_folds = {side: ranker.first_in_folds(benchmark, side) for side, ranker in rankers.items()}
        coco, cxc = (
            {side: ranker.first(matches[side]) for side, ranker in rankers.items()}
            for matches in (benchmark.coco_gts, benchmark.cxc_gts)
        )
        recalls: tuple[tuple[str, Callable, dict], ...] = (
            ('CxC', benchmark.cxc_recalls, cxc),
            ('COCO_1K', benchmark.coco_1k_recalls, in_folds),
            ('COCO_5K', benchmark.coco_5k_recalls, coco),
        )
        for source, recall, ranking in recalls:
            for k in _TOPK:
                for theirs, value in recall(ranking, 'all', K=k).items():
                    metrics[f'{source}/{_SIDES[theirs]}/R@{k}'] = 100 * float(value)
        return metrics


class _Ranker:
    """Scores (Q, M) of queries and candidates that are known by COCO's ids."""

    def __init__(self, scores_QM: Tensor, query_ids: Sequence[int], candidate_ids: Sequence[int]) -> None:
        self.scores_QM, self.candidates_M = scores_QM, np.array(candidate_ids)
        self.row_of = {query_id: row for row, query_id in enumerate(query_ids)}
        self.place_of = {candidate_id: place for place, candidate_id in enumerate(candidate_ids)}

    def first(self, matches: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
        """As many candidates of each query, best first, as the measures look at; a match may be no candidate."""
        depth = max(*_TOPK, *map(len, matches.values()))
        ranking: dict[int, list[int]] = {}
        queries = list(matches)
        for start in range(0, len(queries), _QUERIES):
            some = queries[start : start + _QUERIES]
            scores = self.scores_QM[[self.row_of[query] for query in some]]
            relevant = torch.zeros_like(scores, dtype=torch.bool)
            for row, query in enumerate(some):
                relevant[row, [self.place_of[match] for match in matches[query] if match in self.place_of]] = True
            order = first_candidates(scores, relevant, depth)
            ranking |= zip(some, self.candidates_M[order.numpy()].tolist(), strict=True)
        return ranking

    def first_in_folds(self, benchmark: Any, side: str) -> dict[int, list[int]]:
        """The same among the candidates of the query's own fifth of the test set."""
        ranking: dict[int, list[int]] = {}
        for caption_ids in np.split(benchmark.coco_ids, _FOLDS):
            captions = caption_ids.tolist()
            images = list(dict.fromkeys(benchmark.coco_gts['t2i'][caption][0] for caption in captions))
            queries, candidates = (images, captions) if side == 'i2t' else (captions, images)
            rows, places = (
                [of[one] for one in ids] for of, ids in ((self.row_of, queries), (self.place_of, candidates))
            )
            fold = _Ranker(self.scores_QM[rows][:, places], queries, candidates)
            ranking |= fold.first({query: benchmark.coco_gts[side][query] for query in queries})
        return ranking


def _benchmark() -> Any:
    """What the package knows; it reads files of its own alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # it asks for a faster JSON reader
            import eccv_caption
    except ImportError as error:
        raise UserError(
            f'EccvCaption needs the package eccv_caption ({error}): pip install -e .[eccv], or leave it out of test_evaluator'
        ) from None
    return eccv_caption.Metrics()


def _letters(text: str) -> str:
    return ''.join(filter(str.isalnum, text.lower()))
