"""Fewer image tokens: the ones that matter stay and the others become one, or those that are alike become one.

Shapes: B pictures, N image tokens after the first (for the whole picture), K of them kept, C width, H heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def reduce_tokens(tokens_BNC: Tensor, score_BN: Tensor, keep_rate: float, fuse: bool = True) -> Tensor:
    """The first token, the K = ceil(keep_rate * N) others of the greatest score in their order, and with `fuse` one token for
    the rest: their sum weighted by score (EViT, arXiv 2202.07800; TRIPS, arXiv 2305.04474v4, Sec. 3.2).

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


def merge_alike(tokens_BNC: Tensor, sizes_BN: Tensor | None, keep_rate: float) -> tuple[Tensor, Tensor]:
    """The first token and K = ceil(keep_rate * N) others, made of all N by merging those that resemble each other the most
    (bipartite soft matching: ToMe, arXiv 2210.09461, Sec. 3): every second token has its most similar one among the others
    (cosine), and the pairs that are most alike become one, the mean of the tokens that they stand for.

    Args:
        tokens_BNC: (B, 1 + N, C).
        sizes_BN: how many tokens each stands for, (B, 1 + N); None: one each.
        keep_rate: in (0, 1]. A round of matching merges at most a quarter, so that low ones take several: to halve the number
            at once, half of the tokens would have to go, alike or not (docs/results.md).

    Returns:
        tokens (B, 1 + K, C), whose sum weighted by size is that of before, and their sizes (B, 1 + K), float32.
    """
    if sizes_BN is None:
        sizes_BN = torch.ones_like(tokens_BNC[..., 0], dtype=torch.float32)
    wanted = math.ceil(keep_rate * (tokens_BNC.shape[1] - 1))
    while (surplus := tokens_BNC.shape[1] - 1 - wanted) > 0:
        at_once = max(1, (tokens_BNC.shape[1] - 1) // 4)
        tokens_BNC, sizes_BN = _merge_pairs(tokens_BNC, sizes_BN, min(surplus, at_once))
    return tokens_BNC, sizes_BN


def _merge_pairs(tokens_BNC: Tensor, sizes_BN: Tensor, going: int) -> tuple[Tensor, Tensor]:
    """One round: G = `going` tokens, at most half of all, go into others."""
    # In half precision the mean of many tokens would be rounded.
    exact_BNC = tokens_BNC.to(torch.promote_types(tokens_BNC.dtype, torch.float32))
    receivers_BRC, senders_BSC = exact_BNC[:, 1::2], exact_BNC[:, 2::2]
    received_BR, sent_BS = sizes_BN[:, 1::2], sizes_BN[:, 2::2]
    with torch.autocast(tokens_BNC.device.type, enabled=False):
        with torch.no_grad():
            likeness_BSR = F.normalize(senders_BSC, dim=2) @ F.normalize(receivers_BRC, dim=2).transpose(1, 2)
            likeness_BS, receiver_BS = likeness_BSR.max(dim=2)
            order_BS = likeness_BS.argsort(dim=1, descending=True, stable=True)
            going_BG, staying_BS = order_BS[:, :going], order_BS[:, going:].sort(dim=1).values
            # Who goes to whom, as a matrix: a scattered sum adds up in another order every time on GPUs.
            to_BGR = F.one_hot(receiver_BS.gather(1, going_BG), receivers_BRC.shape[1])
            to_BRG = (to_BGR * sent_BS.gather(1, going_BG)[..., None]).transpose(1, 2).to(exact_BNC.dtype)
            sum_BR = received_BR + to_BRG.sum(dim=2).to(received_BR.dtype)
        sum_BRC = receivers_BRC * received_BR[..., None] + to_BRG @ _rows(senders_BSC, going_BG)
        merged_BRC = (sum_BRC / sum_BR[..., None]).to(tokens_BNC.dtype)
    tokens = torch.cat([tokens_BNC[:, :1], merged_BRC, _rows(tokens_BNC[:, 2::2], staying_BS)], dim=1)
    return tokens, torch.cat([sizes_BN[:, :1], sum_BR, sent_BS.gather(1, staying_BS)], dim=1)


def _rows(x_BNC: Tensor, index_BK: Tensor) -> Tensor:
    return x_BNC.gather(1, index_BK[..., None].expand(-1, -1, x_BNC.shape[2]))


def guided_score(guide_BC: Tensor, tokens_BNC: Tensor) -> Tensor:
    """softmax over all but the first token of guide . token / sqrt(C), (B, N)."""
    logits_BN = (tokens_BNC[:, 1:] @ guide_BC[..., None])[..., 0] / guide_BC.shape[1] ** 0.5
    return logits_BN.float().softmax(dim=1)


def first_token_attention(qkv: nn.Linear, tokens_BNC: Tensor, heads: int) -> Tensor:
    """Attention of the first token to the others in a layer with a joint query-key-value projection, (B, N): the mean over
    heads of softmax(q . k / sqrt(C / H)).

    No token's key is computed for it: q . (W x + b) = (q W) . x + q . b, of which the last is the same for all tokens.

    Args:
        tokens_BNC: all tokens, (B, 1 + N, C), as the projection gets them.
    """
    query_BHD = query(qkv, tokens_BNC[:, 0]).unflatten(-1, (heads, -1))
    weight_HDC = qkv.weight.unflatten(0, (3, heads, -1))[1]
    query_BHC = torch.einsum('bhd,hdc->bhc', query_BHD, weight_HDC)
    logits_BHN = torch.einsum('bhc,bnc->bhn', query_BHC, tokens_BNC) / query_BHD.shape[-1] ** 0.5
    return logits_BHN.float().softmax(dim=2).mean(dim=1)[:, 1:]


def received_attention(projected_BNT: Tensor, heads: int) -> Tensor:
    """Attention that all tokens pay to each but the first in such a layer, (B, N): the mean over heads and queries of
    softmax(q . k / sqrt(C / H)), the first step of Zero-TPrune's ranking (CVPR 2024, arXiv 2305.17328).

    Without gradient, so that no activation is kept for it; one head after the other, for it takes N^2 numbers.

    Args:
        projected_BNT: what the projection made of all tokens, (B, 1 + N, 3C).
    """
    with torch.no_grad():
        queries, keys, _ = projected_BNT.unflatten(-1, (3, heads, -1)).permute(2, 3, 0, 1, 4)
        received_BN = torch.zeros_like(projected_BNT[..., 0], dtype=torch.float32)
        for query_BND, key_BND in zip(queries, keys, strict=True):
            logits_BNN = query_BND @ key_BND.transpose(1, 2) / query_BND.shape[-1] ** 0.5
            received_BN += logits_BNN.float().softmax(dim=2).mean(dim=1)
        return received_BN[:, 1:] / heads


def corrected_attention(attention_BN: Tensor, query_BC: Tensor, tokens_BNC: Tensor) -> Tensor:
    """Attention to all but the first token times e^(query . token / sqrt(C)), with the sum it had, (B, N); a query of 0
    corrects nothing. Tokens are taken at unit variance.

    Args:
        tokens_BNC: all tokens, (B, 1 + N, C).
    """
    keys_BNC = F.layer_norm(tokens_BNC[:, 1:], tokens_BNC.shape[2:])
    correction_BN = (keys_BNC @ query_BC[..., None])[..., 0] / query_BC.shape[1] ** 0.5
    logits_BN = attention_BN.clamp(min=torch.finfo(attention_BN.dtype).tiny).log() + correction_BN.float()
    return logits_BN.softmax(dim=1) * attention_BN.sum(dim=1, keepdim=True)


def query(qkv: nn.Linear, x_BC: Tensor) -> Tensor:
    """The queries alone of a joint query-key-value projection."""
    width = qkv.out_features // 3
    return F.linear(x_BC, qkv.weight[:width], None if qkv.bias is None else qkv.bias[:width])
