"""Is a statement true of two pictures?"""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from sacl_mm.evaluation.prediction_file import write_predictions
from sacl_mm.registry import METRICS


@METRICS.register_module()
class NLVR2Accuracy(BaseMetric):
    """Both measures of NLVR2, in percent.

    * `nlvr2/accuracy`: share of the examples predicted correctly.
    * `nlvr2/consistency`: share of the sentences for which all their examples, each with another pair of pictures, are
      predicted correctly. Examples are of one sentence if their identifiers, split-set-pair-sentence, differ in the
      pair only. Source: Suhr et al., ACL 2019, and nlvr2/eval/metrics.py of https://github.com/lil-lab/nlvr.

    Each predicted sample has `pred_label` and `label` (0 or 1) and `identifier` (str).

    Args:
        prediction_file: where to write the lines `identifier,True` or `identifier,False` that the official scripts read
            (balanced and unbalanced subsets, accuracy per linguistic phenomenon).
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        ValueError: an identifier has another form or comes twice, or a sample has no label.
    """

    default_prefix = 'nlvr2'

    def __init__(
        self, prediction_file: str | None = None, collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.prediction_file = prediction_file

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            identifier, label = sample['identifier'], int(sample.get('label', -1))
            if label not in (0, 1):
                raise ValueError(f'{identifier} has no label (0 or 1); accuracy needs a split with labels')
            self.results.append(dict(identifier=identifier, predicted=int(sample['pred_label']), label=label))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        correct: dict[str, bool] = {}
        sentences: dict[tuple[str, ...], bool] = {}
        for result in results:
            identifier, right = result['identifier'], result['predicted'] == result['label']
            if identifier in correct:
                raise ValueError(f'{identifier} comes twice; identifiers must be unique in a dataset')
            correct[identifier] = right
            sentence = _sentence(identifier)
            sentences[sentence] = sentences.get(sentence, True) and right
        if self.prediction_file is not None:
            lines = (f'{result["identifier"]},{bool(result["predicted"])}\n' for result in results)
            write_predictions(self.prediction_file, ''.join(lines))
        metrics = {
            'accuracy': 100 * sum(correct.values()) / len(correct),
            'consistency': 100 * sum(sentences.values()) / len(sentences),
        }
        MMLogger.get_current_instance().info(
            f'NLVR2, {len(correct):,} examples of {len(sentences):,} sentences; protocol: official metrics.py\n'
            f'accuracy  consistency\n{metrics["accuracy"]:8.2f}  {metrics["consistency"]:11.2f}'
        )
        return metrics


def _sentence(identifier: str) -> tuple[str, ...]:
    parts = identifier.split('-')
    if len(parts) != 4:
        raise ValueError(f'the identifier {identifier!r} is not of the form split-set-pair-sentence')
    return (*parts[:2], parts[3])
