"""Texts that are encoded once and matched with many pictures.

Shapes: T texts, R pairs, L text tokens, C width.
"""

import torch
from torch import Tensor

from sacl_mm.functional.padding import pad_texts

# Pairs, or texts, that go through the model at a time. Bounds memory, not results.
_PAIRS = 512


class EncodedTexts:
    """All texts' tokens, one after the other without padding: (sum of lengths, C).

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
        for chunk in by_length.split(_PAIRS):
            ids, mask = (x.to(self.device) for x in pad_texts([token_ids[i] for i in chunk]))
            tokens = model.towers.encode_text(ids, mask).tokens
            for i, row in zip(chunk.tolist(), tokens, strict=True):
                encoded[i] = row[: len(token_ids[i])]
        self.tokens = torch.cat(encoded)

    def match(self, model, keys_values: list, text_R: Tensor, picture_R: Tensor) -> Tensor:
        """The matching head's logit for "matches" of each pair, (R,), on the CPU."""
        scores_R = torch.empty(len(text_R))
        for chunk in self.length_T[text_R].argsort(stable=True).split(_PAIRS):
            length_r = self.length_T[text_R[chunk]]
            position_L = torch.arange(int(length_r.max()))
            mask = position_L < length_r[:, None]
            place = torch.where(mask, self.start_T[text_R[chunk]][:, None] + position_L, 0)
            tokens, mask = self.tokens[place.to(self.device)], mask.to(self.device)
            logits = model.matching_logits(keys_values, tokens, mask, picture_R[chunk].to(self.device))
            scores_R[chunk] = logits[:, 1].float().cpu()
        return scores_R
