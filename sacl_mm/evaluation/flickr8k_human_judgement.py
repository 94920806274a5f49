"""Do a dual encoder's scores agree with what people say about captions and images, false negatives included?"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from numpy.typing import NDArray
from scipy.stats import kendalltau

from sacl_mm.evaluation.ground_truth import GroundTruthMetric
from sacl_mm.evaluation.judgement_files import Judgements, read_crowdflower, read_expert
from sacl_mm.functional.ranking import area_under_curve, percentile_ranks
from sacl_mm.functional.settings import check_finite
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError


class _Protocol(NamedTuple):
    variant: str  # of Kendall's tau
    with_own: bool  # whether tau counts pairs whose caption belongs to the image


_PROTOCOLS = {'expert': _Protocol('c', False), 'crowdflower': _Protocol('b', True)}


@METRICS.register_module()
class Flickr8kHumanJudgement(GroundTruthMetric):
    """Cosine scores of Flickr8k's test images and captions against the human judgements of Hodosh et al. (2013).

    For each source of judgements, `expert` and `crowdflower`, in percent:

    * `expert/tau_c`, `crowdflower/tau_b`: Kendall's correlation of the scores with the ratings, as CLIPScore's
      evaluation has it (Hessel et al., EMNLP 2021, appendix A): a pair that experts judged enters three times, once for
      each rating, unless its caption belongs to the image (or reads like one that does); with CrowdFlower every pair
      enters once, with its fraction of yes.
    * `AUC`: the chance that a confirmed pair scores above a rejected one. Only captions of *another* image count. A
      pair is confirmed, a false negative of the annotation, if the experts' mean is 3 or more, or if more than half of
      CrowdFlower said yes; all other judged pairs are rejected.
    * `TR/percentile`, `IR/percentile`: mean percentile rank of the confirmed pairs among all candidates of their query,
      annotated ones included: the caption among the texts of the set, the image among its images. 100 is first, 50 is
      chance.

    A value that is not defined, as without confirmed pairs, is NaN. Each predicted sample is an image with `img_path`,
    `pred_image_feature` (E,), `pred_text_features` (k, E), row k that of caption `#k`, and `text` (list of str; without it
    captions belong to an image by name only). Pairs of images or captions that are not in the set are left out, and counted
    in the log.

    Args:
        expert_file: ExpertAnnotations.txt.
        crowdflower_file: CrowdFlowerAnnotations.txt.
        skip_bad_lines: whether lines of these files that are malformed or not UTF-8 (copies with such lines go round) are
            left out, and counted in the log; else they are refused.
        collect_device, prefix: as in MMEngine's BaseMetric.

    Raises:
        ValueError: neither file is given, or a line of one is malformed.
        EvaluationError: an image comes twice in the set, there is one only, or no judged pair is of the set.
        NonFiniteError: features with NaN or infinity.
        FileNotFoundError: a file does not exist.
    """

    default_prefix = 'flickr8k'
    least_samples = 2

    def __init__(
        self,
        expert_file: str | None = None,
        crowdflower_file: str | None = None,
        skip_bad_lines: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.judgements: dict[str, Judgements] = {}
        if expert_file is not None:
            self.judgements['expert'] = read_expert(expert_file, skip_bad_lines)
        if crowdflower_file is not None:
            self.judgements['crowdflower'] = read_crowdflower(crowdflower_file, skip_bad_lines)
        for judged in self.judgements.values():
            judged.report.log()
        if not self.judgements:
            raise ValueError('Flickr8kHumanJudgement needs expert_file or crowdflower_file, or both')

    def ground_truth(self, sample: dict) -> dict:
        return dict(name=os.path.basename(self.annotated(sample, 'img_path')))

    def check_set(self, truths: Sequence[dict]) -> None:
        super().check_set(truths)
        names: set[str] = set()
        for truth in truths:
            if truth['name'] in names:
                raise EvaluationError(f'image {truth["name"]} comes twice; the dataset must have one sample per image')
            names.add(truth['name'])
        for source, judged in self.judgements.items():
            owners = (owner for owner, _ in judged.captions)
            if not any(image in names and owner in names for image, owner in zip(judged.images, owners, strict=True)):
                raise _none_judged(source, judged)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            truth, texts = self.ground_truth(sample), list(sample.get('text') or [])
            image, captions = self.feature_pair(sample, truth['name'], len(texts) or None)
            self.results.append(dict(truth, texts=texts, image=image, captions=captions))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        self.check_set(results)
        row_of: dict[str, int] = {}
        column_of: dict[tuple[str, int], int] = {}
        for result in results:
            row_of[result['name']] = len(row_of)
            for number in range(len(result['captions'])):
                column_of[result['name'], number] = len(column_of)
        check_finite(torch.stack([result['image'] for result in results]), 'image features', list(row_of))
        names = [f'{name}#{number}' for name, number in column_of]
        check_finite(torch.cat([result['captions'] for result in results]), 'caption features', names)
        images_BE = F.normalize(torch.stack([result['image'] for result in results]), dim=-1)
        captions_ME = F.normalize(torch.cat([result['captions'] for result in results]), dim=-1)
        scores_BM = (images_BE @ captions_ME.t()).numpy()
        texts_of = {result['name']: result['texts'] for result in results}

        metrics: dict[str, float] = {}
        lines = [
            f'human judgements on {len(row_of):,} images x {len(column_of):,} texts; protocol: dual encoder, cosine'
        ]
        for source, judged in self.judgements.items():
            found = [
                pair
                for pair, (image, caption) in enumerate(zip(judged.images, judged.captions, strict=True))
                if image in row_of and caption in column_of
            ]
            if not found:
                raise _none_judged(source, judged)
            values = self._measure(
                _PROTOCOLS[source],
                scores_BM,
                rows_P=np.array([row_of[judged.images[pair]] for pair in found]),
                columns_P=np.array([column_of[judged.captions[pair]] for pair in found]),
                own_P=np.array([_belongs(judged.captions[pair], judged.images[pair], texts_of) for pair in found]),
                ratings_PR=judged.ratings_PR[found],
                confirmed_P=judged.confirmed_P[found],
            )
            metrics |= {f'{source}/{name}': value for name, value in values.items()}
            lines.append(
                f'{source:11s} '
                + '  '.join(f'{name} {value:.2f}' for name, value in values.items())
                + f'  ({len(found):,} of {len(judged.images):,} judged pairs are of images in this set)'
            )
        MMLogger.get_current_instance().info('\n'.join(lines))
        return metrics

    @staticmethod
    def _measure(
        protocol: _Protocol,
        scores_BM: NDArray,
        rows_P: NDArray,
        columns_P: NDArray,
        own_P: NDArray,
        ratings_PR: NDArray,
        confirmed_P: NDArray,
    ) -> dict[str, float]:
        scores_P = scores_BM[rows_P, columns_P]
        enters_P = protocol.with_own | ~own_P
        repeated = scores_P[enters_P].repeat(ratings_PR.shape[1])
        tau, _ = kendalltau(repeated, ratings_PR[enters_P].ravel(), variant=protocol.variant)
        positive_P = ~own_P & confirmed_P
        rows, columns = rows_P[positive_P], columns_P[positive_P]
        percentiles = dict(
            TR=percentile_ranks(scores_BM[rows], columns), IR=percentile_ranks(scores_BM.T[columns], rows)
        )
        return {
            f'tau_{protocol.variant}': 100 * float(tau),
            'AUC': 100 * area_under_curve(scores_P[positive_P], scores_P[~own_P & ~confirmed_P]),
        } | {
            f'{direction}/percentile': float(values.mean()) if len(values) else float('nan')
            for direction, values in percentiles.items()
        }


def _none_judged(source: str, judged: Judgements) -> EvaluationError:
    return EvaluationError(
        f'none of the {len(judged.images):,} pairs of the {source} judgements is of images in this set: they '
        "belong to Flickr8k's test images (Flickr_8k.testImages.txt), and img_path must keep their names"
    )


def _belongs(caption: tuple[str, int], image: str, texts_of: dict[str, list[str]]) -> bool:
    """Whether a caption was written for this image, or reads like one that was."""
    owner, number = caption
    return owner == image or any(texts_of[owner][number] == text for text in texts_of[image])
