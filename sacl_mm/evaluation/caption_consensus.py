"""Are captions of other images that say much the same ranked high? Without human judgements."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from torch import Tensor

from sacl_mm.evaluation.ground_truth import GroundTruthMetric
from sacl_mm.functional.cider import cider_matrix
from sacl_mm.functional.ranking import checked_topk, cumulative_gain
from sacl_mm.functional.settings import check_finite
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError


@METRICS.register_module()
class CaptionConsensus(GroundTruthMetric):
    """How much of what could be found besides the annotated pairs is found, judged by the captions themselves.

    The worth of a caption for another image is its consensus with that image's captions (CIDEr,
    `functional/cider.py`). Annotated pairs are left out: recall counts those. What is left is put in the order of the towers'
    cosine; `TR/NCS@k` (image -> text) and `IR/NCS@k` (text -> image) are the worth of the first k as a share of the k
    worthiest ones', the normalised cumulative semantic score of Biten et al. (WACV 2022, arXiv 2110.02623), in percent, and
    `NCS@mean` the mean of them all. The consensus is CIDEr, not CIDEr-D, so published NCS numbers are not comparable.
    `TR/chance` and `IR/chance` are what a random order gets at the largest k.

    Each predicted sample is an image with `text` (k captions), `pred_image_feature` (E,) and `pred_text_features` (k, E);
    one that a sampler repeats is counted once.

    Args:
        topk: the k of NCS@k, one or several.
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        ValueError: topk is not of whole numbers of at least 1.
        EvaluationError: samples without `text`, or fewer than two images.
        NonFiniteError: features with NaN or infinity.
    """

    default_prefix = 'consensus'
    least_samples = 2

    def __init__(
        self, topk: int | Sequence[int] = (1, 5, 10), collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.topk = checked_topk(topk)

    def ground_truth(self, sample: dict) -> dict:
        texts = sample.get('text')
        if not texts or not all(isinstance(text, str) for text in texts):
            raise EvaluationError(
                "CaptionConsensus needs each image's captions as `text`: name it in meta_keys of PackInputs"
            )
        return dict(texts=list(texts))

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            truth = self.ground_truth(sample)
            image, captions = self.feature_pair(sample, f"of '{truth['texts'][0]}'", len(truth['texts']))
            self.results.append(dict(truth, image=image, captions=captions))

    def worth(self, results: list[dict]) -> Tensor:
        """(N, T), of each caption for each image."""
        return torch.from_numpy(cider_matrix([result['texts'] for result in results]))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        self.check_set(results)
        texts = [result['texts'] for result in results]
        for side in ('image', 'captions'):
            rows = torch.cat([torch.atleast_2d(result[side]) for result in results])
            names = [result['texts'][0] for result in results for _ in torch.atleast_2d(result[side])]
            check_finite(rows, f'{side} features, by first caption', names)
        images_NE = F.normalize(torch.stack([result['image'] for result in results]), dim=-1)
        captions_TE = F.normalize(torch.cat([result['captions'] for result in results]), dim=-1)
        scores_NT = images_NE @ captions_TE.t()
        worth_NT = self.worth(results)
        owner_T = torch.arange(len(texts)).repeat_interleave(torch.tensor([len(own) for own in texts]))
        other_NT = torch.arange(len(texts))[:, None] != owner_T[None, :]
        metrics: dict[str, float] = {}
        lines = [
            f'{self.prefix} of captions on {len(texts):,} images x {len(owner_T):,} texts, annotated pairs left out; '
            'protocol: dual encoder, cosine'
        ]
        for direction, label, transposed in (('TR', 'image -> text', False), ('IR', 'text -> image', True)):
            scores, worth, other = (m.t() if transposed else m for m in (scores_NT, worth_NT, other_NT))
            measures = cumulative_gain(scores, worth, other, self.topk)
            metrics |= {f'{direction}/{name}': value for name, value in measures.items()}
            lines.append(
                f'{direction} {label}  ' + '  '.join(f'{name} {value:.2f}' for name, value in measures.items())
            )
        gains = [value for name, value in metrics.items() if '/NCS@' in name]
        metrics['NCS@mean'] = sum(gains) / len(gains)
        MMLogger.get_current_instance().info('\n'.join(lines))
        return metrics
