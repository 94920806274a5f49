"""Is a statement true of two images?"""

import re
from collections import Counter
from collections.abc import Sequence

import torch
from mmengine.logging import MMLogger

from sacl_mm.evaluation.ground_truth import GroundTruthMetric, write_predictions
from sacl_mm.functional.settings import check_finite
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError

_OFFICIAL = re.compile(r'(\w+)-(\d+)-\d+-(\d+)')  # split-set-pair-sentence


@METRICS.register_module()
class NLVR2Accuracy(GroundTruthMetric):
    """Both measures of NLVR2, in percent.

    * `nlvr2/accuracy`: share of the examples predicted correctly.
    * `nlvr2/consistency`: share of the sentences for which all their examples, each with another pair of images, are
      predicted correctly. Examples are of one sentence if their identifiers, split-set-pair-sentence, differ in the
      pair only. Source: Suhr et al., ACL 2019, and nlvr2/eval/metrics.py of https://github.com/lil-lab/nlvr.
      Where identifiers have another form, examples are of one sentence if their `text` is the same; left out without text.

    Each predicted sample has `pred_label` and `gt_label` (0 or 1) and `identifier` (str, unique), maybe `text` and
    `pred_score`.

    Args:
        prediction_file: where to write the lines `identifier,True` or `identifier,False` that the official scripts read
            (balanced and unbalanced subsets, accuracy per linguistic phenomenon).
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        EvaluationError: an identifier comes twice, or cannot be written to `prediction_file`, or a sample has no label.
        NonFiniteError: `pred_score` with NaN or infinity.
    """

    default_prefix = 'nlvr2'

    def __init__(
        self, prediction_file: str | None = None, collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.prediction_file = prediction_file

    def ground_truth(self, sample: dict) -> dict:
        identifier, label = str(self.annotated(sample, 'identifier')), sample.get('gt_label')
        label = -1 if label is None else int(label)
        if label not in (0, 1):
            raise EvaluationError(f'{identifier} has no label (0 or 1); accuracy needs a split with labels')
        if self.prediction_file is not None and set(identifier) & set(',\r\n'):
            raise EvaluationError(
                f'the identifier {identifier!r} cannot be written to prediction_file: its lines have two fields'
            )
        return dict(identifier=identifier, label=label)

    def check_set(self, truths: Sequence[dict]) -> None:
        super().check_set(truths)
        identifier, times = Counter(truth['identifier'] for truth in truths).most_common(1)[0]
        if times > 1:
            raise EvaluationError(f'{identifier} comes {times} times; identifiers must be unique in a dataset')

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            truth = self.ground_truth(sample)
            check_finite(torch.as_tensor(sample.get('pred_score', ())), f'pred_score of {truth["identifier"]}')
            predicted, sentence = (
                int(self.predicted(sample, 'pred_label')),
                _sentence(truth['identifier'], sample.get('text')),
            )
            self.results.append(dict(truth, predicted=predicted, sentence=sentence))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        self.check_set(results)
        correct: list[bool] = []
        sentences: dict[tuple[str, ...] | None, bool] = {}
        for result in results:
            correct.append(result['predicted'] == result['label'])
            sentences[result['sentence']] = sentences.get(result['sentence'], True) and correct[-1]
        if self.prediction_file is not None:
            lines = (f'{result["identifier"]},{bool(result["predicted"])}\n' for result in results)
            write_predictions(self.prediction_file, ''.join(lines))
        metrics = {'accuracy': 100 * sum(correct) / len(correct)}
        if None in sentences:
            MMLogger.get_current_instance().info(
                f'NLVR2, {len(correct):,} examples; consistency needs identifiers split-set-pair-sentence, or `text`\n'
                f'accuracy\n{metrics["accuracy"]:8.2f}'
            )
            return metrics
        metrics['consistency'] = 100 * sum(sentences.values()) / len(sentences)
        MMLogger.get_current_instance().info(
            f'NLVR2, {len(correct):,} examples of {len(sentences):,} sentences; protocol: official metrics.py\n'
            f'accuracy  consistency\n{metrics["accuracy"]:8.2f}  {metrics["consistency"]:11.2f}'
        )
        return metrics


def _sentence(identifier: str, text: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """What examples of the same sentence have in common; None: not known."""
    if match := _OFFICIAL.fullmatch(identifier):
        return match.groups()
    return None if not text else (text,) if isinstance(text, str) else tuple(text)
