"""Fewer image tokens: keep the important ones and fuse the others, or merge similar ones.

Shapes: B images, N image tokens after the first (for the whole image), K of them kept, C width, H heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The least log-importance relative to the greatest, so that no token vanishes.
_LEAST = -14.0


def reduce_tokens(tokens_BNC: Tensor, score_BN: Tensor, keep_rate: float, fuse: bool = True) -> Tensor:
    """The first token, the K = ceil(keep_rate * N) others with the highest scores in their order, and with `fuse` one token
    for the rest: their sum weighted by score (EViT, arXiv 2202.07800; TRIPS, arXiv 2305.04474v4, Sec. 3.2).

    Args:
        tokens_BNC: (B, 1 + N, C).
        score_BN: non-negative, of all but the first.
        keep_rate: in (0, 1]; 1 gives the tokens back as they are.

    Returns:
        (B, 1 + K, C), with `fuse` (B, 2 + K, C).
    """
    first_B1C, rest_BNC = tokens_BNC[:, :1], tokens_BNC[:, 1:]
    kept = math.ceil(keep_rate * rest_BNC.shape[1])
    if kept >= rest_BNC.shape[1]:
        return tokens_BNC
    index_BK = score_BN.topk(kept, dim=1).indices.sort(dim=1).values
    parts = [first_B1C, _rows(rest_BNC, index_BK)]
    if fuse:
        left_BN = score_BN.to(rest_BNC.dtype).scatter(1, index_BK, 0.0)
        parts.append(left_BN[:, None] @ rest_BNC)
    return torch.cat(parts, dim=1)


def merge_alike(
    tokens_BNC: Tensor, sizes_BN: Tensor | None, keep_rate: float, importance_BN: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The first token and K = ceil(keep_rate * N) others, made from all N by merging similar ones (bipartite soft matching:
    ToMe, arXiv 2210.09461, Sec. 3): every second token is matched with the most similar one of the others (cosine), and the
    most similar pairs are merged into the mean of the tokens that they stand for.

    With importances v and w the pairs that lose least are merged, by (1 - cosine) vw / (v + w) as in Ward's clustering. Each
    token is then multiplied by its importance, in the means and in the sizes.

    Args:
        tokens_BNC: (B, 1 + N, C).
        sizes_BN: how many tokens each stands for, (B, 1 + N); None: one each.
        keep_rate: in (0, 1]. A round of matching merges at most a quarter of the tokens, so low rates take several: halving
            the number in one round would merge dissimilar tokens, too (docs/results.md).
        importance_BN: (B, 1 + N), positive; None: 1.

    Returns:
        tokens (B, 1 + K, C), whose sum weighted by size is that of before, and their sizes (B, 1 + K), float32 at least.
    """
    if sizes_BN is None:
        sizes_BN = torch.ones_like(tokens_BNC[..., 0], dtype=torch.float32)
    wanted = math.ceil(keep_rate * (tokens_BNC.shape[1] - 1))
    if wanted >= tokens_BNC.shape[1] - 1 and importance_BN is None:
        return tokens_BNC, sizes_BN
    with torch.autocast(tokens_BNC.device.type, enabled=False):
        # In half precision the mean of many tokens would be rounded.
        exact_BNC = tokens_BNC.to(torch.promote_types(tokens_BNC.dtype, torch.float32))
        counts_BN = sizes_BN if importance_BN is None else sizes_BN * importance_BN
        sums_BNC = torch.cat([exact_BNC * counts_BN[..., None], counts_BN[..., None], sizes_BN[..., None]], dim=2)
        while (surplus := sums_BNC.shape[1] - 1 - wanted) > 0:
            sums_BNC = _merge_pairs(sums_BNC, min(surplus, max(1, (sums_BNC.shape[1] - 1) // 4)))
        sums_BKC, counts_BK1, _ = sums_BNC.split([tokens_BNC.shape[2], 1, 1], dim=2)
        if not counts_BN.requires_grad:
            # They got a gradient in the joint tensor only; attention with a mask that needs one stores its scores.
            counts_BK1 = counts_BK1.detach()
        return (sums_BKC / counts_BK1).to(tokens_BNC.dtype), counts_BK1[..., 0]


def _merge_pairs(sums_BNC: Tensor, going: int) -> Tensor:
    """One round, in which G = `going` tokens, at most half of all, are merged into others. A row holds sums over the tokens
    that it stands for: features times importance, importance, 1."""
    receivers_BRC, senders_BSC = sums_BNC[:, 1::2], sums_BNC[:, 2::2]
    with torch.no_grad():
        cosine_BSR = F.normalize(senders_BSC[..., :-2], dim=2) @ F.normalize(receivers_BRC[..., :-2], dim=2).mT
        sent_BS1 = senders_BSC[..., -2:-1] / senders_BSC[..., -1:]
        received_B1R = (receivers_BRC[..., -2:-1] / receivers_BRC[..., -1:]).mT
        loss_BSR = (1 - cosine_BSR) * sent_BS1 * received_B1R / (sent_BS1 + received_B1R)
        loss_BS, receiver_BS = loss_BSR.min(dim=2)
        order_BS = loss_BS.argsort(dim=1, stable=True)
        going_BG, staying_BS = order_BS[:, :going], order_BS[:, going:].sort(dim=1).values
        # The matching as a matrix: the order of a scattered sum varies on GPUs.
        number_R = torch.arange(receivers_BRC.shape[1], device=going_BG.device)
        to_BGR = (receiver_BS.gather(1, going_BG)[..., None] == number_R).to(sums_BNC.dtype)
    merged_BRC = receivers_BRC + to_BGR.mT @ _rows(senders_BSC, going_BG)
    return torch.cat([sums_BNC[:, :1], merged_BRC, _rows(senders_BSC, staying_BS)], dim=1)


def _rows(x_BNC: Tensor, index_BK: Tensor) -> Tensor:
    return x_BNC.gather(1, index_BK[..., None].expand(-1, -1, x_BNC.shape[2]))


def guided_score(guide_BC: Tensor, tokens_BNC: Tensor) -> Tensor:
    """softmax over all but the first token of guide . token / sqrt(C), (B, N)."""
    logits_BN = (tokens_BNC[:, 1:] @ guide_BC[..., None])[..., 0] / guide_BC.shape[1] ** 0.5
    return logits_BN.float().softmax(dim=1)


def asked_importance(query_BC: Tensor, tokens_BNC: Tensor, sizes_BN: Tensor | None) -> Tensor:
    """How much each token counts for a text, (B, 1 + N), float32 at least: e^(query . token / sqrt(C)), with tokens at unit
    variance, divided by its mean over all tokens that these stand for. The first token has 1, and a query of 0 gives 1 for
    all.

    Args:
        tokens_BNC: all tokens, (B, 1 + N, C).
        sizes_BN: how many tokens each stands for, (B, 1 + N); None: one each.
    """
    keys_BNC = F.layer_norm(tokens_BNC[:, 1:], tokens_BNC.shape[2:])
    logits_BN = (keys_BNC @ query_BC[..., None])[..., 0] / query_BC.shape[1] ** 0.5
    logits_BN = logits_BN.to(torch.promote_types(logits_BN.dtype, torch.float32))
    importance_BN = (logits_BN - logits_BN.amax(dim=1, keepdim=True)).clamp(min=_LEAST).exp()
    sizes_BN = torch.ones_like(importance_BN) if sizes_BN is None else sizes_BN[:, 1:]
    weight_BN = sizes_BN / sizes_BN.sum(dim=1, keepdim=True)
    importance_BN = importance_BN / (importance_BN * weight_BN).sum(dim=1, keepdim=True)
    return F.pad(importance_BN, (1, 0), value=1.0)


def query(qkv: nn.Linear, x_BC: Tensor) -> Tensor:
    """Only the queries of a joint query-key-value projection."""
    width = qkv.out_features // 3
    return F.linear(x_BC, qkv.weight[:width], None if qkv.bias is None else qkv.bias[:width])
