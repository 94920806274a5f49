"""Are captions of other images that mean much the same ranked high, by a sentence encoder?"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sacl_mm.evaluation.caption_consensus import CaptionConsensus
from sacl_mm.registry import METRICS, MODELS
from sacl_mm.user_error import EvaluationError


@METRICS.register_module()
class SentenceConsensus(CaptionConsensus):
    """`CaptionConsensus` whose worth of a caption for another image is the mean cosine of its sentence embedding with those of
    that image's captions, 0 if that is negative. For policies that learn from words, of which CIDEr is made.

    Args:
        source: embeds the captions: a `SentenceSimilarity` with a text encoder. None: their embeddings are those of the frozen
            text encoder whose features `CachedFeatures` gives, `text_inputs` (k, D) of each sample.

    Raises:
        ValueError: also for a source that embeds no texts.
        EvaluationError: also for samples without `text_inputs` where they are needed.
    """

    default_prefix = 'sentences'

    def __init__(self, source: dict | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.source = None if source is None else MODELS.build(source)
        if self.source is not None and getattr(self.source, 'text_encoder', None) is None:
            raise ValueError(f'source must be a SentenceSimilarity with text_encoder and tokenizer, got {source}')

    def ground_truth(self, sample: dict) -> dict:
        truth = super().ground_truth(sample)
        if self.source is not None:
            return truth
        if sample.get('text_inputs') is None:
            raise EvaluationError(
                'SentenceConsensus needs `text_inputs`, the features of a frozen text encoder, which CachedFeatures has; or '
                "source=dict(type='SentenceSimilarity', ...)"
            )
        return dict(truth, embeddings=F.normalize(torch.as_tensor(sample['text_inputs']).float().cpu(), dim=-1))

    def worth(self, results: list[dict]) -> Tensor:
        if self.source is not None:
            captions_TD = self.source.embed([text for result in results for text in result['texts']])
        else:
            captions_TD = torch.cat([result['embeddings'] for result in results])
        own = captions_TD.split([len(result['texts']) for result in results])
        images_ND = torch.stack([own_kD.mean(0) for own_kD in own])
        return (images_ND @ captions_TD.t()).clamp(min=0)
