"""Transforms of the captions of a sample. (`mmpretrain.CleanCaption(keys='text')` cleans them.)"""

import random

import numpy as np
from mmcv.transforms import BaseTransform

from sacl_mm.datasets.tokenizer import build_tokenizer
from sacl_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SampleCaption(BaseTransform):
    """Keep one caption, drawn uniformly: `text` and `text_ids` become lists of one."""

    def transform(self, results: dict) -> dict:
        """Draws from Python's global generator, which the dataset seeds."""
        number = random.randrange(len(results['text']))
        results['text'] = [results['text'][number]]
        if 'text_ids' in results:
            results['text_ids'] = [results['text_ids'][number]]
        return results


@TRANSFORMS.register_module()
class TokenizeText(BaseTransform):
    """Add `token_ids`: per text a 1-D int64 array `[CLS] pieces [SEP]`, not padded.

    Args:
        tokenizer: a config such as `dict(type='WordPieceTokenizer', vocab_file=...)`, or a tokenizer.
        max_length: the largest number of tokens of a text, [CLS] and [SEP] included; longer texts are cut before [SEP]. None:
            that of the model that the tokenizer belongs to (`PretrainedTokenizer`), or 30.
        field: where the texts (a list of str) stand in the sample; the answers of a question are in 'gt_answer'.
        to: where the tokens go; for answers 'gt_answer_token_ids'.
        end: whether texts end in [SEP]. ALBEF's released weights never saw one, except after answers.
    """

    def __init__(
        self,
        tokenizer: dict,
        max_length: int | None = None,
        field: str = 'text',
        to: str = 'token_ids',
        end: bool = True,
    ) -> None:
        self.tokenizer = build_tokenizer(tokenizer)
        of_model = getattr(self.tokenizer, 'max_length', None)
        if max_length is None:
            max_length = of_model or 30
        if max_length < 3:
            raise ValueError(f'max_length must leave room for [CLS], a piece and [SEP]; got {max_length}')
        if of_model is not None and max_length > of_model:
            raise ValueError(f"max_length={max_length}, but the tokenizer's model takes at most {of_model} tokens")
        self.max_length = max_length
        self.field, self.to = field, to
        self.end = end

    def transform(self, results: dict) -> dict:
        """Tokenize every text."""
        results[self.to] = [self._tokens(text) for text in results[self.field]]
        return results

    def _tokens(self, text: str) -> np.ndarray:
        if self.end:
            return np.array(self.tokenizer.encode(text, self.max_length), dtype=np.int64)
        return np.array(self.tokenizer.encode(text, self.max_length + 1)[:-1], dtype=np.int64)
