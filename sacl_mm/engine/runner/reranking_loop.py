"""Retrieval in two stages: the towers propose candidates, the fusion encoder re-ranks them.

Shapes: N images, T texts, E embedding, B images of a batch, R pairs of a pass, L text tokens, C width.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather_object, get_rank
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop, ValLoop
from mmengine.runner.amp import autocast
from torch import Tensor

from sacl_mm.engine.runner.encoded_texts import EncodedTexts
from sacl_mm.engine.runner.partial_scores import PartialScores, fingerprint_of
from sacl_mm.functional.ranking import RERANKING_SCORES, check_reranking_score, reranking_score, top_candidates
from sacl_mm.functional.settings import check_count, check_finite
from sacl_mm.registry import LOOPS


class _Reranking:
    """What the validation and the test loop share; a mixin before MMEngine's loop.

    Two passes over the data. The first one takes both towers' features of every sample. Then for each image its `k` best
    texts, and for each text its `k` best images, by cosine, are candidates. The second pass encodes the images again
    (their tokens are never held all at once) and scores each candidate pair once for both directions: an image's keys and
    values are projected once for all its texts, and texts of similar lengths are batched. On several processes each scores its
    own images' pairs. A killed evaluation that is started again with the same work directory loses about a minute.

    A sample then has, besides what `model.predict` gives, `pred_reranking`: the ids of the texts that the image was scored
    with, the scores, which of the pairs were candidates of the image and which of the text, k, and the name of the score.

    Args:
        k: candidates per query (256 on COCO, 128 on Flickr30K in ALBEF).
        score: one of `RERANKING_SCORES`.
        runner, dataloader, evaluator, fp16: as in MMEngine's loops.
    """

    def __init__(self, runner, dataloader, evaluator, k: int = 128, score: str = 'itm', fp16: bool = False) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        check_reranking_score(score)
        check_count('k', k)
        self.k, self.score = k, score

    @torch.no_grad()
    def run(self) -> dict:
        name = 'val' if isinstance(self, ValLoop) else 'test'
        self.runner.call_hook(f'before_{name}')
        self.runner.call_hook(f'before_{name}_epoch')
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        model.eval()
        with autocast(enabled=self.fp16):
            entries = self._all_entries(model)
            pairs = _Candidates(entries, self.k)
            self.runner.logger.info(
                f're-ranking {pairs.count:,} pairs of {len(entries):,} images and {len(pairs.text_ids):,} texts'
            )
            texts = EncodedTexts(model, pairs.token_ids)
            partial = self._partial_scores(model, pairs)
            for number, data in enumerate(self.dataloader):
                self.runner.call_hook(f'before_{name}_iter', batch_idx=number, data_batch=data)
                samples = self._score(model, data, number, entries, pairs, texts, partial)
                self.evaluator.process(data_samples=samples, data_batch=data)
                self.runner.call_hook(f'after_{name}_iter', batch_idx=number, data_batch=data, outputs=samples)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        partial.finish()
        self.runner.call_hook(f'after_{name}_epoch', metrics=metrics)
        self.runner.call_hook(f'after_{name}')
        return metrics

    def _all_entries(self, model) -> list['_Entry']:
        """The entries of all processes, in the order of the dataset, without samples that a sampler repeated to fill up."""
        mine = []
        for data in self.dataloader:
            for sample in model(**model.data_preprocessor(data, False), mode='predict'):
                mine.append(
                    _Entry(
                        list(sample.text_ids),
                        [torch.as_tensor(tokens) for tokens in sample.token_ids],
                        sample.pred_image_feature.float().cpu(),
                        sample.pred_text_features.float().cpu(),
                    )
                )
        parts = all_gather_object(mine)
        self._processes = len(parts)
        return [entry for row in zip(*parts, strict=True) for entry in row][: len(self.dataloader.dataset)]

    def _partial_scores(self, model, pairs: '_Candidates') -> PartialScores:
        """The scores that a killed evaluation of the same model and data left in the work directory."""
        settings = pairs.cosine_NT, self.k, self.dataloader.batch_size, self._processes
        fingerprint = fingerprint_of(model.towers, model.multimodal_backbone, model.matching_head, *settings)
        partial = PartialScores(Path(self.runner.work_dir, f'reranking_{get_rank()}.pth'), fingerprint)
        if partial.scores:
            done = f'{len(partial.scores):,} of {len(self.dataloader):,} batches'
            self.runner.logger.info(f're-ranking goes on: {done} were scored before, {partial.path}')
        return partial

    def _score(
        self, model, data: dict, number: int, entries, pairs: '_Candidates', texts: EncodedTexts, partial: PartialScores
    ) -> list:
        batch = model.data_preprocessor(data, False)
        samples = batch['data_samples']
        start = number * self.dataloader.batch_size
        # MMEngine's samplers deal samples out in turn; beyond the end they repeat, which evaluators leave out again.
        places = [(start + i) * self._processes + get_rank() for i in range(len(samples))]
        places = [place if place < len(entries) else place % len(entries) for place in places]
        text_of_B = [pairs.texts_of(place) for place in places]
        text_R = torch.cat(text_of_B)
        image_index = torch.arange(len(samples)).repeat_interleave(torch.tensor([len(t) for t in text_of_B]))
        if number not in partial.scores:
            image = model.towers.encode_image(batch['images'])
            keys_values = model.multimodal_backbone.project(image.tokens, image.sizes)
            partial.add(number, texts.match(model, keys_values, text_R, image_index))
        scores_R = partial.scores[number]
        check_finite(scores_R, 'matching scores with text_id', pairs.text_ids[text_R].tolist())
        temperature = model.contrastive_loss.temperature.float().cpu()
        for sample, place, text, score in zip(
            samples, places, text_of_B, scores_R.split([len(t) for t in text_of_B]), strict=True
        ):
            sample.pred_image_feature, sample.pred_text_features = entries[place].image, entries[place].texts
            score = reranking_score(self.score, score, pairs.cosine_NT[place, text], temperature)
            sample.pred_reranking = dict(
                text_ids=pairs.text_ids[text],
                scores=score,
                by_image=pairs.by_image_NT[place, text],
                by_text=pairs.by_text_NT[place, text],
                k=self.k,
                score=RERANKING_SCORES[self.score],
            )
        return samples


@dataclass
class _Entry:
    """What the first pass keeps of a sample."""

    text_ids: list[int]
    token_ids: list[Tensor]
    image: Tensor
    texts: Tensor


class _Candidates:
    """The pairs to score: the union of both directions."""

    def __init__(self, entries: list[_Entry], k: int) -> None:
        self.text_ids = torch.tensor([text_id for entry in entries for text_id in entry.text_ids])
        self.token_ids = [tokens for entry in entries for tokens in entry.token_ids]
        image_NE, text_TE = (
            torch.stack([entry.image for entry in entries]),
            torch.cat([entry.texts for entry in entries]),
        )
        check_finite(image_NE, 'image features, by number in the data set')
        check_finite(text_TE, 'text features of text_id', self.text_ids.tolist())
        self.cosine_NT = F.normalize(image_NE, dim=-1) @ F.normalize(text_TE, dim=-1).t()
        self.by_image_NT = top_candidates(self.cosine_NT, k)
        self.by_text_NT = top_candidates(self.cosine_NT.t(), k).t()
        self.count = int((self.by_image_NT | self.by_text_NT).sum())

    def texts_of(self, image: int) -> Tensor:
        return (self.by_image_NT[image] | self.by_text_NT[image]).nonzero()[:, 0]


@LOOPS.register_module()
class RerankingValLoop(_Reranking, ValLoop):
    """Validation by contrastive candidates and re-ranking; see `_Reranking`."""


@LOOPS.register_module()
class RerankingTestLoop(_Reranking, TestLoop):
    """Test by contrastive candidates and re-ranking; see `_Reranking`."""
