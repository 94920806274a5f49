"""Accuracy of answers to questions about images."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from mmengine.logging import MMLogger

from sacl_mm.evaluation.ground_truth import GroundTruthMetric, write_predictions
from sacl_mm.functional.answer_accuracy import exact_accuracy, vqa_accuracy
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError, NonFiniteError

# measure -> accuracy of one answer, what the log calls it
_MEASURES = {
    'vqa': (vqa_accuracy, 'VQA accuracy, leave one annotator out, official normalisation'),
    'exact': (exact_accuracy, 'exact match of the set of answers'),
}


@METRICS.register_module()
class VQAAccuracy(GroundTruthMetric):
    """Mean accuracy in percent: `vqa/accuracy`, and `vqa/accuracy/<question_type>` where questions have a type.

    Each predicted sample has `pred_answer` (str), `question_id` (int), and, as far as known, `gt_human_answers` (list of
    str, one per annotator) and `question_type` (str). Questions without human answers don't count. mmpretrain's `VQAAcc`
    differs: it leaves no annotator out (1 match in 10 is 33.3 there, 30 here) and normalises always.

    Args:
        measure: 'vqa', the VQA benchmark's (`sacl_mm.functional.answer_accuracy.vqa_accuracy`), or 'exact', for questions
            with one annotator as in DAQUAR (`exact_accuracy` of the same file).
        server_file: where to write all predictions as the VQA evaluation server wants them, a JSON list of
            `{"question_id": int, "answer": str}`. Written by the first process at each evaluation.
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        EvaluationError: a question comes twice, or no question has human answers and no `server_file` is given.
        NonFiniteError: `pred_score`, where the model gives the answer's likelihood, is not finite.
    """

    default_prefix = 'vqa'

    def __init__(
        self,
        measure: str = 'vqa',
        server_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if measure not in _MEASURES:
            raise ValueError(f'measure must be one of {", ".join(_MEASURES)}, got {measure!r}')
        self.accuracy_of, self.protocol = _MEASURES[measure]
        self.server_file = server_file

    def ground_truth(self, sample: dict) -> dict:
        return dict(
            question_id=int(self.annotated(sample, 'question_id')),
            gt_human_answers=list(sample.get('gt_human_answers') or []),
        )

    def check_set(self, truths: Sequence[dict]) -> None:
        super().check_set(truths)
        question, times = Counter(truth['question_id'] for truth in truths).most_common(1)[0]
        if times > 1:
            raise EvaluationError(f'question_id {question} comes {times} times; ids must be unique in a dataset')
        if self.server_file is None and not any(truth['gt_human_answers'] for truth in truths):
            raise EvaluationError(
                'no question has gt_human_answers, so there is no accuracy: name them in the meta_keys of PackInputs, or, '
                'for a test split, give server_file= to write the predictions'
            )

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            truth = self.ground_truth(sample)
            if not math.isfinite(sample.get('pred_score', 0.0)):
                raise NonFiniteError(
                    f'pred_score of question_id {truth["question_id"]} is {sample["pred_score"]}: the model has diverged, or '
                    'its weights or inputs are damaged, and there is nothing to measure'
                )
            answer = self.predicted(sample, 'pred_answer')
            self.results.append(dict(truth, answer=answer, question_type=sample.get('question_type')))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        self.check_set(results)
        answered = [result for result in results if result['gt_human_answers']]
        if self.server_file is not None:
            rows = [{key: result[key] for key in ('question_id', 'answer')} for result in results]
            write_predictions(self.server_file, json.dumps(rows))
        if not answered:
            return {}

        accuracies = defaultdict(list)
        for result in answered:
            accuracy = 100 * self.accuracy_of(result['answer'], result['gt_human_answers'])
            accuracies['accuracy'].append(accuracy)
            if result['question_type'] is not None:
                accuracies[f'accuracy/{result["question_type"]}'].append(accuracy)
        metrics = {name: sum(accuracies[name]) / len(accuracies[name]) for name in sorted(accuracies)}
        self._log_table(metrics, {name: len(values) for name, values in accuracies.items()}, len(results))
        return metrics

    def _log_table(self, metrics: dict[str, float], counts: dict[str, int], asked: int) -> None:
        labels = {name: name.partition('/')[2] or 'all' for name in metrics}
        width = max(8, *(len(label) for label in labels.values()))
        lines = [
            f'answers to {counts["accuracy"]:,} of {asked:,} questions judged; protocol: {self.protocol}',
            f'{"":{width}s} questions  accuracy',
        ]
        lines += [f'{label:{width}s} {counts[name]:9,d}  {metrics[name]:8.2f}' for name, label in labels.items()]
        MMLogger.get_current_instance().info('\n'.join(lines))
