"""The tokenizer that belongs to a pre-trained vision-language model."""

import os
from collections.abc import Sequence
from typing import Any

from sacl_mm.pretrained_models import import_open_clip, open_clip_name, reading
from sacl_mm.registry import TASK_UTILS


@TASK_UTILS.register_module()
class PretrainedTokenizer:
    """Text to the token ids of a model of transformers or open_clip, and back; the tokenizer of `PretrainedTowers`.

    Attributes:
        max_length: of the model: the longest text in tokens, with those at its ends.
        vocab_size, pad_id: of the tokenizer.
        unk_id: of unknown words; -1 if there are none.

    Args:
        pretrained: a name or folder (`sacl_mm.pretrained_models`).

    Raises:
        UserError: no such model, or one without a tokenizer.
    """

    def __init__(self, pretrained: str) -> None:
        os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')  # one text at a time; else they warn in forked workers
        self.pretrained = pretrained
        name = open_clip_name(pretrained)
        self._open_clip: Any = None
        self._tokenizer: Any
        if name is None:
            self._tokenizer, self.max_length, self._is_padded = _of_transformers(pretrained)
        else:
            with reading(pretrained, 'tokenizer'):
                self._open_clip = import_open_clip().get_tokenizer(name.model)
            self._tokenizer = getattr(self._open_clip, 'tokenizer', None)  # of transformers, in some
            self.max_length, self._is_padded = self._open_clip.context_length, True
        if self._tokenizer is None:  # CLIP's own
            self.vocab_size, self.pad_id, self.unk_id = self._open_clip.vocab_size, 0, -1
        else:
            self.vocab_size = len(self._tokenizer)
            self.pad_id = self._tokenizer.pad_token_id or 0
            unknown = self._tokenizer.unk_token_id
            # CLIP's BPE knows every word; its "unknown" is the end of the text.
            self.unk_id = -1 if unknown in (None, self._tokenizer.eos_token_id) else unknown

    def encode(self, text: str, max_length: int | None = None) -> list[int]:
        """The text with the tokens at its ends. With `max_length` as the model gets it: cut, and padded to the model's
        `max_length` if the model sees its padding (SigLIP, open_clip)."""
        if max_length is None:
            return self._uncut(text)
        if self._open_clip is not None:
            ids = self._open_clip([text], context_length=min(max_length, self.max_length))[0].tolist()
        else:
            ids = self._tokenizer(text, truncation=True, max_length=min(max_length, self.max_length))['input_ids']
        padding = [self.pad_id] * (self.max_length - len(ids) if self._is_padded else 0)
        return padding + ids if getattr(self._tokenizer, 'padding_side', 'right') == 'left' else ids + padding

    def _uncut(self, text: str) -> list[int]:
        if self._tokenizer is not None:
            return self._tokenizer(text, verbose=False)['input_ids']
        return [self._open_clip.sot_token_id, *self._open_clip.encode(text), self._open_clip.eot_token_id]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids (also of an array or tensor) without the tokens at its ends and padding."""
        plain = [int(i) for i in ids]
        if self._tokenizer is not None:
            return self._tokenizer.decode(plain, skip_special_tokens=True)
        special = {self.pad_id, *self._open_clip.all_special_ids}
        return self._open_clip.decode([i for i in plain if i not in special]).strip()


def _of_transformers(pretrained: str) -> tuple[Any, int, bool]:
    """The tokenizer, the model's longest text, and whether every text is padded to it."""
    from transformers import AutoConfig, AutoTokenizer

    with reading(pretrained, 'tokenizer'):
        tokenizer = AutoTokenizer.from_pretrained(pretrained, trust_remote_code=False)
        if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):  # transformers 5 makes one of nothing
            raise OSError('the files of its vocabulary are missing')
        config = AutoConfig.from_pretrained(pretrained, trust_remote_code=False)
        positions = config.get_text_config().max_position_embeddings
    return tokenizer, min(positions, tokenizer.model_max_length), config.model_type == 'siglip'
