"""Texts that are encoded once and matched with many images.

Shapes: T texts, R pairs, L text tokens, C width.
"""

import torch
from torch import Tensor

from sacl_mm.functional.length_buckets import pad_texts

# Bounds memory, not results.
_TEXTS_AT_A_TIME = 128


class EncodedTexts:
    """The tokens of all texts, concatenated without padding: (sum of lengths, C).

    Args:
        model: an `ImageTextRetrieval`.
        token_ids: of each text, [CLS] ... [SEP].
    """

    def __init__(self, model, token_ids: list[Tensor]) -> None:
        self.device = next(model.parameters()).device
        self.length_T = torch.tensor([len(tokens) for tokens in token_ids])
        self.start_T = self.length_T.cumsum(0) - self.length_T
        by_length = self.length_T.argsort(stable=True)
        encoded: list[Tensor] = [None] * len(token_ids)
        for chunk in by_length.split(_TEXTS_AT_A_TIME):
            ids, mask = (x.to(self.device) for x in pad_texts([token_ids[i] for i in chunk]))
            tokens = model.towers.encode_text(ids, mask).tokens
            for i, row in zip(chunk.tolist(), tokens, strict=True):
                encoded[i] = row[: len(token_ids[i])]
        self.tokens = torch.cat(encoded)

    def match(self, model, keys_values: list, text_R: Tensor, image_index: Tensor) -> Tensor:
        """The matching head's logit for "matches" of text `text_R[r]` and image `image_index[r]`, (R,), on the CPU."""
        scores_R = torch.empty(len(text_R))
        for image in image_index.unique().tolist():
            rows = (image_index == image).nonzero()[:, 0]
            one = [key_value.rows(torch.tensor([image], device=self.device)) for key_value in keys_values]
            for chunk in rows[self.length_T[text_R[rows]].argsort(stable=True)].split(_TEXTS_AT_A_TIME):
                tokens, mask = self._padded(text_R[chunk])
                scores_R[chunk] = model.matching_logits(one, tokens, mask)[:, 1].float().cpu()
        return scores_R

    def _padded(self, text_R: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (R, L, C) and mask (R, L) of some texts, as long as the longest of them."""
        length_R = self.length_T[text_R]
        position_L = torch.arange(int(length_R.max()))
        mask_RL = position_L < length_R[:, None]
        place_RL = torch.where(mask_RL, self.start_T[text_R][:, None] + position_L, 0)
        return self.tokens[place_RL.to(self.device)], mask_RL.to(self.device)
