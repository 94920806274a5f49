"""Is a statement true of two pictures?"""

import re
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from sacl_mm.evaluation.prediction_file import write_predictions
from sacl_mm.registry import METRICS

_OFFICIAL = re.compile(r'(\w+)-(\d+)-\d+-(\d+)')  # split-set-pair-sentence


@METRICS.register_module()
class NLVR2Accuracy(BaseMetric):
    """Both measures of NLVR2, in percent.

    * `nlvr2/accuracy`: share of the examples predicted correctly.
    * `nlvr2/consistency`: share of the sentences for which all their examples, each with another pair of pictures, are
      predicted correctly. Examples are of one sentence if their identifiers, split-set-pair-sentence, differ in the
      pair only; with identifiers of another form if their `text` is the same (without a text consistency is left out, and
      the log says so). Source: Suhr et al., ACL 2019, and nlvr2/eval/metrics.py of https://github.com/lil-lab/nlvr.

    Each predicted sample has `pred_label` and `label` (0 or 1), `identifier` (str) and perhaps `text` (a list of one).

    Args:
        prediction_file: where to write the lines `identifier,True` or `identifier,False` that the official scripts read
            (balanced and unbalanced subsets, accuracy per linguistic phenomenon).
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        ValueError: an identifier comes twice, or a sample has no label.
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
            sentence = _sentence(identifier, sample.get('text'))
            self.results.append(
                dict(identifier=identifier, sentence=sentence, predicted=int(sample['pred_label']), label=label)
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        correct: dict[str, bool] = {}
        sentences: dict[tuple[str, ...] | None, bool] = {}
        for result in results:
            identifier, right = result['identifier'], result['predicted'] == result['label']
            if identifier in correct:
                raise ValueError(f'{identifier} comes twice; identifiers must be unique in a dataset')
            correct[identifier] = right
            sentence = result['sentence']
            sentences[sentence] = sentences.get(sentence, True) and right
        if self.prediction_file is not None:
            lines = (f'{result["identifier"]},{bool(result["predicted"])}\n' for result in results)
            write_predictions(self.prediction_file, ''.join(lines))
        metrics = {'accuracy': 100 * sum(correct.values()) / len(correct)}
        if None not in sentences:
            metrics['consistency'] = 100 * sum(sentences.values()) / len(sentences)
        counted = f'{len(correct):,} examples' + ('' if None in sentences else f' of {len(sentences):,} sentences')
        lines = [
            f'NLVR2, {counted}; protocol: official metrics.py',
            '  '.join(metrics),
            '  '.join(f'{value:{len(name)}.2f}' for name, value in metrics.items()),
        ]
        if None in sentences:
            lines.append(
                'consistency is left out: identifiers are not of the form split-set-pair-sentence, and samples have no text'
            )
        MMLogger.get_current_instance().info('\n'.join(lines))
        return metrics


def _sentence(identifier: str, text: Sequence[str] | None) -> tuple[str, ...] | None:
    """What examples of one sentence share; None if that cannot be told."""
    if match := _OFFICIAL.fullmatch(str(identifier)):
        return match.groups()
    return tuple(text) if text else None
