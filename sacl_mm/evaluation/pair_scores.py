"""The scores of all pairs of a test set's images and texts, by the two towers or with re-ranking.

Shapes: N images, T texts, E embedding.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sacl_mm.evaluation.ground_truth import GroundTruthMetric
from sacl_mm.functional.ranking import reranked
from sacl_mm.functional.settings import check_finite
from sacl_mm.user_error import EvaluationError


class PairScoresMetric(GroundTruthMetric):
    """A metric of samples that are images with all their texts, each pair of which has a score.

    The score is the cosine of the two towers' features, of any length; in a `RerankingTestLoop` the candidates that it
    proposes are put in the order of the matching scores, and all others follow. Each predicted sample has `image_id`,
    `text_ids`, `pred_image_feature` (E,), `pred_text_features` (k, E), after re-ranking also `pred_reranking`.
    """

    least_samples = 2

    def ground_truth(self, sample: dict) -> dict:
        return dict(image_id=int(self.annotated(sample, 'image_id')), text_ids=list(self.annotated(sample, 'text_ids')))

    def check_set(self, truths: Sequence[dict]) -> None:
        super().check_set(truths)
        known: set[int] = set()
        for truth in truths:
            image_id = truth['image_id']
            if not truth['text_ids']:
                raise EvaluationError(f'image {image_id} has no text, so there is none to be retrieved: leave it out')
            if image_id in known:
                raise EvaluationError(f'image {image_id} comes twice; a sample must be an image with all its texts')
            known.add(image_id)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            truth = self.ground_truth(sample)
            image, texts = self.feature_pair(sample, truth['image_id'], len(truth['text_ids']))
            self.results.append(
                dict(
                    truth,
                    image=image,
                    texts=texts,
                    reranking=sample.get('pred_reranking'),
                    input_size=sample.get('input_size'),
                )
            )


def final_scores(results: list[dict]) -> tuple[Tensor, Tensor]:
    """For text retrieval (N, T) and for image retrieval (T, N), of what `PairScoresMetric.process` keeps; NonFiniteError."""
    scores_NT = _cosines(results)
    return (scores_NT, scores_NT.t()) if results[0]['reranking'] is None else _second_stage(scores_NT, results)


def _cosines(results: list[dict]) -> Tensor:
    """(N, T)"""
    images, texts = torch.stack([result['image'] for result in results]), torch.cat([r['texts'] for r in results])
    check_finite(images, 'image features of image_id', [result['image_id'] for result in results])
    owners = [result['image_id'] for result in results for _ in result['text_ids']]
    check_finite(texts, 'text features of image_id', owners)
    return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).t()


def _second_stage(scores_NT: Tensor, results: list[dict]) -> tuple[Tensor, Tensor]:
    """The final scores for text retrieval (N, T) and image retrieval (T, N); each direction re-ranks its own candidates."""
    place = {text_id: i for i, text_id in enumerate(text_id for result in results for text_id in result['text_ids'])}
    second, by_image, by_text = torch.zeros_like(scores_NT), *torch.zeros(2, *scores_NT.shape, dtype=torch.bool)
    for row, result in enumerate(results):
        about = result['reranking']
        texts = torch.tensor([place[text_id] for text_id in about['text_ids'].tolist()])
        check_finite(
            about['scores'], f'matching scores of image {result["image_id"]} with text_id', about['text_ids'].tolist()
        )
        second[row, texts] = about['scores']
        by_image[row, texts], by_text[row, texts] = about['by_image'], about['by_text']
    return reranked(scores_NT, by_image, second), reranked(scores_NT.t(), by_text.t(), second.t())


def protocol_of(result: dict) -> str:
    """How the scores were made, in words for the log."""
    about, size = result['reranking'], result['input_size']
    if about is None:
        stages = 'dual encoder, cosine, no re-ranking'
    else:
        stages = f'contrastive top-{about["k"]} of each direction, re-ranked by {about["score"]}'
    return stages if size is None else f'{stages}; input {size[0]} x {size[1]}'
