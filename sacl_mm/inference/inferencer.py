"""Embed, search, match, ask: what a trained model says of your own images and texts.

Shapes: N images, T texts, E embedding, Q queries, M items of a gallery.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.engine.runner.encoded_texts import EncodedTexts
from sacl_mm.functional.ranking import reranking_score, top_candidates
from sacl_mm.functional.settings import check_count, check_optional_count
from sacl_mm.inference.model_folder import find_model
from sacl_mm.inference.sample_preparation import (
    ImageSource,
    SamplePreparation,
    check_finite,
    check_images,
    check_same_length,
    check_texts,
)
from sacl_mm.inference.trained_model import load_model, read_config
from sacl_mm.models import DualEncoder, ImagePairReasoning, ImageTextRetrieval, VisualQuestionAnswering

# A sample has an image and texts; where a tower is used alone, this stands for the other one's input.
_NO_IMAGE = np.zeros((32, 32, 3), np.uint8)
_NO_TEXT = ['']

_CONFIGURATIONS = {
    DualEncoder: 'configs/sacl/retrieval_coco.py, pretrain.py',
    ImageTextRetrieval: 'configs/sacl/retrieval_coco.py, pretrain.py',
    VisualQuestionAnswering: 'configs/sacl/vqa.py',
    ImagePairReasoning: 'configs/sacl/nlvr2.py',
}


class Hit(NamedTuple):
    """A place in the gallery, and the cosine or, after re-ranking, the score that the benchmark re-ranks with."""

    index: int
    score: float


class ImageTextInferencer:
    """A model with the preparation of images and texts that its configuration tests it with.

    An image is a path, an array as cv2 loads it (BGR) or a PIL image, of any kind: the three give the same pixels, by the
    rule of `sacl_mm.datasets.pixels`. Tensors that are returned are float32 on the CPU. Results do not depend on
    `batch_size`, beyond rounding.

    Args:
        config: a file or a `Config`; or, without `checkpoint`, a work directory, a model's folder, or a checkpoint with its
            configuration beside it (`find_model`). Of the files that it names only vocabulary and list of answers are read.
        checkpoint: the weights, of this configuration.
        device: by default a GPU if there is one.
        batch_size: images (or texts) at a time.

    Raises:
        UserError: configuration or checkpoint are missing, broken or do not fit.
        ValueError: the model's input is cached features instead of images. Methods: bad images or texts, or a task that
            the model was not trained for.
        NonFiniteError: methods: features or scores that are NaN or infinite.
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike | None = None,
        device: str | torch.device | None = None,
        batch_size: int = 32,
    ) -> None:
        check_count('batch_size', batch_size)
        if checkpoint is None:
            if isinstance(config, Config):
                raise ValueError('a Config names no weights: give the checkpoint as well')
            config, checkpoint = find_model(config)
        cfg = read_config(config)
        self.batch_size = batch_size
        loop = cfg.get('test_cfg') or {}
        self._candidates, self._score = loop.get('k', 128), loop.get('score', 'itm')
        self.model = load_model(cfg, checkpoint, device)
        self.prepare = SamplePreparation(cfg, pairs=isinstance(self.model, ImagePairReasoning))

    # ------------------------------------------------------------------------------------------------ features
    def embed_images(self, images: Sequence[ImageSource]) -> Tensor:
        """Features (N, E) of unit length; their products with `embed_texts` are cosines."""
        self._require(DualEncoder, 'embedding')
        check_images(images)
        # Concatenated out of inference mode: the result can be trained on.
        features = torch.cat([self._image_features(some) for some in self._chunks(images)])
        check_finite(features, 'features of images')
        return features

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Features (T, E) of unit length."""
        self._require(DualEncoder, 'embedding')
        check_texts(texts)
        by_length = torch.tensor([len(text) for text in texts]).argsort(stable=True)
        parts = [self._text_features([texts[i] for i in some]) for some in self._chunks(by_length.tolist())]
        features = torch.cat(parts)[by_length.argsort()]
        check_finite(features, 'features of texts')
        return features

    @torch.inference_mode()
    def _image_features(self, images: Sequence[ImageSource]) -> Tensor:
        batch = self._batch(images, [_NO_TEXT] * len(images))
        return self.model.towers.encode_image(batch['images']).feature.float().cpu()

    @torch.inference_mode()
    def _text_features(self, texts: list[str]) -> Tensor:
        batch = self._batch([_NO_IMAGE], [texts])
        return self.model.towers.encode_text(batch['token_ids'], batch['text_mask']).feature.float().cpu()

    # ------------------------------------------------------------------------------------------------ search
    def search(
        self,
        texts: Sequence[str],
        images: Sequence[ImageSource],
        k: int = 5,
        rerank: bool | None = None,
        candidates: int | None = None,
        features: Tensor | np.ndarray | None = None,
    ) -> list[list[Hit]]:
        """The `k` best images of each text, best first.

        Args:
            texts: the queries.
            images: the gallery.
            k: hits per query; all, if the gallery is smaller.
            rerank: whether the matching head re-ranks the best by cosine; None: if the model has one.
            candidates: how many, per query; None: as in the configuration's `RerankingTestLoop`, or 128.
            features: the gallery's, of `embed_images`, as a tensor or an array; then only images to re-rank are opened.
        """
        check_texts(texts)
        check_images(images)
        rerank = self._check_search(k, rerank, candidates)
        gallery = self.embed_images(images) if features is None else self._check_features(features, images)
        second = (lambda chosen: self._matching_scores(images, texts, chosen.t()).t()) if rerank else None
        return self._hits(self.embed_texts(texts) @ gallery.t(), k, candidates, second)

    def search_texts(
        self,
        images: Sequence[ImageSource],
        texts: Sequence[str],
        k: int = 5,
        rerank: bool | None = None,
        candidates: int | None = None,
        features: Tensor | np.ndarray | None = None,
    ) -> list[list[Hit]]:
        """The `k` best texts of each image, best first; `features` are the texts', of `embed_texts`. See `search`."""
        check_images(images)
        check_texts(texts)
        rerank = self._check_search(k, rerank, candidates)
        gallery = self.embed_texts(texts) if features is None else self._check_features(features, texts)
        second = (lambda chosen: self._matching_scores(images, texts, chosen)) if rerank else None
        return self._hits(self.embed_images(images) @ gallery.t(), k, candidates, second)

    def _check_search(self, k: int, rerank: bool | None, candidates: int | None) -> bool:
        """Whether to re-rank."""
        self._require(DualEncoder, 'searching')
        if rerank:
            self._require(ImageTextRetrieval, 're-ranking (rerank=True)')
        check_count('k', k)
        check_optional_count('candidates', candidates)
        return isinstance(self.model, ImageTextRetrieval) if rerank is None else rerank

    def _check_features(self, features: Tensor | np.ndarray, items: Sequence) -> Tensor:
        """(M, E), of unit length."""
        if not isinstance(features, (Tensor, np.ndarray)):
            raise ValueError(f'features of the gallery must be a tensor or an array, got a {type(features).__name__}')
        expected = (len(items), self.model.towers.embed_dims)
        if features.shape != expected:
            raise ValueError(f'features of the gallery must be of shape {expected}, got {tuple(features.shape)}')
        if isinstance(features, np.ndarray):
            if features.dtype.kind not in 'fiu':
                raise ValueError(f'features of the gallery must be numbers, got {features.dtype}')
            features = torch.from_numpy(features.astype(np.float32))
        features = features.detach().float().cpu()
        check_finite(features, 'features of the gallery')
        length = features.norm(dim=1, keepdim=True)
        # Those of `embed_images` stay as they are, bit by bit.
        return torch.where((length - 1).abs() > 1e-5, features / length.clamp_min(1e-12), features)

    def _hits(
        self, cosine_QM: Tensor, k: int, candidates: int | None, second: Callable[[Tensor], Tensor] | None
    ) -> list[list[Hit]]:
        """`second` tells the second scores (Q, M) where its argument is true."""
        scores_QM = cosine_QM
        if second is not None:
            chosen_QM = top_candidates(cosine_QM, max(k, candidates or self._candidates))
            temperature = self.model.contrastive_loss.temperature.detach().float().cpu()
            scores_QM = reranking_score(self._score, second(chosen_QM), cosine_QM, temperature)
            check_finite(scores_QM, 'matching scores')
            scores_QM = scores_QM.masked_fill(~chosen_QM, -torch.inf)
        score_Qk, index_Qk = (x[:, :k].tolist() for x in scores_QM.sort(dim=1, descending=True, stable=True))
        return [
            [Hit(*hit) for hit in zip(index, score, strict=True)]
            for index, score in zip(index_Qk, score_Qk, strict=True)
        ]

    @torch.inference_mode()
    def _matching_scores(self, images: Sequence[ImageSource], texts: Sequence[str], chosen_NT: Tensor) -> Tensor:
        """(N, T): the logit of "matches" of the chosen pairs, 0 elsewhere; images without any are not opened."""
        used_n, used_t = chosen_NT.any(dim=1).nonzero()[:, 0], chosen_NT.any(dim=0).nonzero()[:, 0]
        (sample,) = self._batch([_NO_IMAGE], [[texts[t] for t in used_t]])['data_samples']
        encoded = EncodedTexts(self.model, [torch.as_tensor(tokens) for tokens in sample.token_ids])
        scores_NT = torch.zeros(chosen_NT.shape)
        for some in used_n.split(self.batch_size):
            batch = self._batch([images[n] for n in some], [_NO_TEXT] * len(some))
            image = self.model.towers.encode_image(batch['images'])
            keys_values = self.model.multimodal_backbone.project(image.tokens, image.sizes)
            image_index, text_R = chosen_NT[some][:, used_t].nonzero(as_tuple=True)
            scores_NT[some[image_index], used_t[text_R]] = encoded.match(self.model, keys_values, text_R, image_index)
        return scores_NT

    # ------------------------------------------------------------------------------------------------ tasks
    @torch.inference_mode()
    def match(self, images: Sequence[ImageSource], texts: Sequence[str]) -> Tensor:
        """Probabilities (N,) that text i matches image i."""
        self._require(ImageTextRetrieval, 'match()')
        check_images(images)
        check_texts(texts)
        check_same_length(images=images, texts=texts)
        parts = []
        for some in self._chunks(range(len(texts))):
            batch = self._batch([images[i] for i in some], [[texts[i]] for i in some])
            image, text = self.model.extract_feat(batch)
            each = torch.arange(len(some), device=image.tokens.device)
            keys_values = self.model.multimodal_backbone.project(image.tokens, image.sizes)
            logits = self.model.matching_logits(keys_values, text.tokens, batch['text_mask'], each)
            parts.append(logits.float().softmax(dim=1)[:, 1].cpu())
        probabilities = torch.cat(parts)
        check_finite(probabilities, 'matching probabilities')
        return probabilities

    def answer(
        self, images: Sequence[ImageSource], questions: Sequence[str], return_scores: bool = False
    ) -> list[str] | list[tuple[str, float]]:
        """The best answer of the model's list to question i about image i; with `return_scores`, (answer, its
        log-likelihood in nats)."""
        self._require(VisualQuestionAnswering, 'answer()')
        check_images(images)
        check_texts(questions, 'questions')
        check_same_length(images=images, questions=questions)
        samples = self._predict(images, questions)
        check_finite(torch.tensor([float(sample.pred_score) for sample in samples]), 'scores of answers')
        return [(sample.pred_answer, sample.pred_score) if return_scores else sample.pred_answer for sample in samples]

    def is_true(self, left: Sequence[ImageSource], right: Sequence[ImageSource], statements: Sequence[str]) -> Tensor:
        """Probabilities (N,) that statement i is true of the images left i and right i."""
        self._require(ImagePairReasoning, 'is_true()')
        check_images(left, 'left')
        check_images(right, 'right')
        check_texts(statements, 'statements')
        check_same_length(left=left, right=right, statements=statements)
        pairs = [list(pair) for pair in zip(left, right, strict=True)]
        probabilities = torch.stack([sample.pred_score[1].cpu() for sample in self._predict(pairs, statements)])
        check_finite(probabilities, 'probabilities of statements')
        return probabilities

    @torch.inference_mode()
    def _predict(self, images: Sequence, texts: Sequence[str]) -> list[BaseDataElement]:
        return [
            sample
            for some in self._chunks(range(len(texts)))
            for sample in self.model.predict(self._batch([images[i] for i in some], [[texts[i]] for i in some]))
        ]

    # ------------------------------------------------------------------------------------------------ common
    def _batch(self, images: Sequence, texts: Sequence[Sequence[str]]) -> dict:
        return self.model.data_preprocessor(self.prepare(images, texts), False)

    def _chunks(self, items: Sequence) -> Iterator[Sequence]:
        return (items[start : start + self.batch_size] for start in range(0, len(items), self.batch_size))

    def _require(self, kind: type, task: str) -> None:
        if not isinstance(self.model, kind):
            raise ValueError(
                f'{task} needs a model of type {kind.__name__} (e.g. {_CONFIGURATIONS[kind]}), this one is of type '
                f'{type(self.model).__name__}'
            )
