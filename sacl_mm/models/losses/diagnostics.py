"""Diagnostics of the loss. Shapes: A of the first anchors, M candidates."""

import torch
from torch import Tensor

from sacl_mm.functional.contrastive import mutual_information, weight_statistics
from sacl_mm.models.losses.blockwise import BlockwiseContrast


@torch.no_grad()
def diagnose(contrast: BlockwiseContrast) -> dict[str, Tensor]:
    """Mutual information and weights of the first anchors, as many as fit one block with all candidates, after
    `contrast.loss()`."""
    diagnostics: dict[str, Tensor] = {}
    for name, anchors, candidates in (
        ('i2t', contrast.images, contrast.candidate_texts),
        ('t2i', contrast.texts, contrast.candidate_images),
    ):
        rows = anchors.rows(slice(max(1, contrast.block_pairs // sum(map(len, candidates)))))
        found: list[tuple[Tensor, ...]] = []
        for side in candidates:
            sums, pairs = next(contrast.directions(rows, side, contrast.compare(rows, side, name == 'i2t')))
            log_weights_AM = sums.log_weights(pairs, contrast.policy(pairs))
            found.append((pairs.logits_AM, log_weights_AM, pairs.positive_AM, pairs.negative_AM))
        logits_AM, log_weights_AM, positive_AM, negative_AM = (
            torch.cat(parts, dim=1) for parts in zip(*found, strict=True)
        )
        values = {
            **mutual_information(logits_AM, log_weights_AM, positive_AM, negative_AM),
            **weight_statistics(log_weights_AM, negative_AM),
            'weights_AM': log_weights_AM.exp().masked_fill(~negative_AM, torch.nan),
        }
        diagnostics |= {f'{name}/{key}': value for key, value in values.items()}
    return diagnostics
