"""Fewer image tokens: the ones that matter stay, the others become one.

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
    parts = [first_B1C, rest_BNC.gather(1, index_BK[..., None].expand(-1, -1, rest_BNC.shape[2]))]
    if fuse:
        left_BN = score_BN.to(rest_BNC.dtype).scatter(1, index_BK, 0.0)
        parts.append(left_BN[:, None] @ rest_BNC)
    return torch.cat(parts, dim=1)


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
