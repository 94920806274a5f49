"""Evidence from a frozen sentence encoder: captions of the same meaning, also in other words."""

import json
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import barrier
from torch import Tensor, nn

from sacl_mm.checkpoints.feature_store import FeatureStore, row_key
from sacl_mm.checkpoints.weights import weights_hash
from sacl_mm.functional.distributed import rank, world_size
from sacl_mm.functional.image_captions import ImageCaptions
from sacl_mm.functional.length_buckets import pad_texts
from sacl_mm.models.evidence.base import EvidenceSource, Places, build_frozen
from sacl_mm.models.feature_towers import pool_tokens
from sacl_mm.models.losses import FeaturePair
from sacl_mm.progress import progress
from sacl_mm.registry import MODELS, TASK_UTILS

_AT_ONCE = 1024  # captions


@MODELS.register_module()
class SentenceSimilarity(EvidenceSource):
    """Caption consensus: the mean cosine of caption j's sentence embedding with those of image i's captions. An embedding is
    the mean of the encoder's tokens.

    Args:
        width: of the encoder.
        text_encoder: yields tokens (T, L, width), from a checkpoint. None: the texts of a batch are features of a frozen
            encoder already, as of `CachedFeatures`; then an image's captions are those of its sample.
        tokenizer: of the encoder.
        max_length: in tokens.
        cache: the folder where embeddings are kept, by encoder and caption, so that they are computed once.

    Raises:
        ValueError: an encoder without its tokenizer, or the reverse.
    """

    def __init__(
        self,
        width: int,
        text_encoder: dict | None = None,
        tokenizer: dict | None = None,
        max_length: int = 64,
        cache: str = 'work_dirs/evidence',
    ) -> None:
        super().__init__()
        if (text_encoder is None) != (tokenizer is None):
            raise ValueError('give text_encoder and tokenizer, or neither')
        self.width = width
        self.text_encoder, self.tokenizer, self.max_length, self.cache = text_encoder, tokenizer, max_length, cache
        self.needs_captions = text_encoder is not None
        self._image_of, self._text_of = Places('image_id', []), Places('text_id', [])
        self._image_ND, self._text_TD = torch.empty(0, width), torch.empty(0, width)

    def prepare(self, captions: Sequence[ImageCaptions]) -> None:
        if self.text_encoder is None:
            return
        self._text_TD = self._embed_together([text for image in captions for text in image.texts])
        counts = [len(image.texts) for image in captions]
        self._image_ND = torch.stack([own.float().mean(0).half() for own in self._text_TD.split(counts)])
        self._image_of = Places('image_id', (image.image_id for image in captions))
        self._text_of = Places('text_id', (text_id for image in captions for text_id in image.text_ids))

    def forward(self, batch: dict) -> FeaturePair:
        device = batch['image_ids'].device
        if self.text_encoder is None:
            return self._of_features(batch)
        samples = batch['data_samples']
        images = self._image_of(sample.image_id for sample in samples)
        texts = self._text_of(text_id for sample in samples for text_id in sample.text_ids)
        return FeaturePair(self._image_ND[images].float().to(device), self._text_TD[texts].float().to(device))

    def embed(self, texts: list[str]) -> Tensor:
        """Unit rows (T, width) of texts; for one process, as the others don't take part.

        Raises:
            ValueError: there is no text_encoder.
        """
        if self.text_encoder is None:
            raise ValueError('SentenceSimilarity without a text_encoder embeds no texts')
        encoder = build_frozen('text_encoder', self.text_encoder)
        store = FeatureStore(self._folder(encoder))
        self._add(store, encoder, sorted(set(texts)))
        return F.normalize(store.rows([row_key(text) for text in texts]).float(), dim=-1)

    @staticmethod
    def _of_features(batch: dict) -> FeaturePair:
        if batch['text_mask'] is not None:
            raise ValueError(
                'SentenceSimilarity without a text_encoder reads cached features, and the batch has tokens'
            )
        text_TD = F.normalize(batch['token_ids'], dim=-1)
        return FeaturePair(torch.stack([own.mean(0) for own in text_TD.split(batch['texts_per_image'])]), text_TD)

    def _embed_together(self, texts: list[str]) -> Tensor:
        """(T, width), unit rows in float16. Each process encodes a share, and then what it does not find of the others'."""
        assert self.text_encoder is not None
        encoder = build_frozen('text_encoder', self.text_encoder)
        folder = self._folder(encoder)
        distinct = sorted(set(texts))
        for share in (distinct[rank() :: world_size()], distinct):
            store = FeatureStore(folder)
            self._add(store, encoder, share)
            barrier()
        return store.rows([row_key(text) for text in texts])

    def _folder(self, encoder: nn.Module) -> str:
        settings = json.dumps([self.text_encoder, self.tokenizer, self.max_length], default=repr, sort_keys=True)
        return f'{self.cache}/{row_key(weights_hash(encoder.state_dict()), settings):x}'

    @torch.no_grad()
    def _add(self, store: FeatureStore, encoder: nn.Module, texts: list[str]) -> None:
        """Encode those texts that the store lacks."""
        tokenizer, device = TASK_UTILS.build(self.tokenizer), next(encoder.parameters()).device
        missing = [text for text in texts if row_key(text) not in store]
        parts = [missing[start : start + _AT_ONCE] for start in range(0, len(missing), _AT_ONCE)]
        for part in progress(parts, len(parts), f'evidence: {len(missing):,} captions, batches of {_AT_ONCE}'):
            tokens, mask = pad_texts([torch.as_tensor(tokenizer.encode(text, self.max_length)) for text in part], 0)
            tokens, mask = tokens.to(device), mask.to(device)
            rows = F.normalize(pool_tokens(encoder(tokens, mask), mask), dim=-1)
            store.add([row_key(text) for text in part], rows)
