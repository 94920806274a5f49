"""Are captions of other images that mean much the same ranked high, by a sentence encoder?"""

import torch
import torch.nn.functional as F
from torch import Tensor

from sacl_mm.evaluation.caption_consensus import CaptionConsensus
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError


@METRICS.register_module()
class SentenceConsensus(CaptionConsensus):
    """`CaptionConsensus` whose worth of a caption for another image is the mean cosine of its sentence embedding with those of
    that image's captions, 0 if that is negative. For policies that learn from words, of which CIDEr is made.

    The embeddings are those of the frozen text encoder whose features `CachedFeatures` gives, `text_inputs` (k, D) of each
    sample.

    Raises:
        EvaluationError: also for samples without `text_inputs`.
    """

    default_prefix = 'sentences'

    def ground_truth(self, sample: dict) -> dict:
        if sample.get('text_inputs') is None:
            raise EvaluationError(
                'SentenceConsensus needs `text_inputs`, the features of a frozen text encoder, which CachedFeatures has'
            )
        embeddings = F.normalize(torch.as_tensor(sample['text_inputs']).float().cpu(), dim=-1)
        return dict(super().ground_truth(sample), embeddings=embeddings)

    def worth(self, results: list[dict]) -> Tensor:
        captions_TD = torch.cat([result['embeddings'] for result in results])
        images_ND = torch.stack([result['embeddings'].mean(0) for result in results])
        return (images_ND @ captions_TD.t()).clamp(min=0)
