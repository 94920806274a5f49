"""The contrastive mathematics of SACL (Jiang et al., ACL 2023, Eq. 4-9 and 36-40), one direction at a time.

Shapes: A anchors (this process's batch), M candidates (the batches of all processes, then queued ones), D feature size.
`negative_AM` is True where candidate m is a negative of anchor a; positives are neither negative nor ignored.
"""

import math

import torch
from torch import Tensor


def log_mean_exp(values_AM: Tensor, keep_AM: Tensor) -> Tensor:
    """log of the mean of exp(values) over the kept entries of each row, (A, 1); -inf for a row that keeps none."""
    count_A1 = keep_AM.sum(dim=1, keepdim=True).to(values_AM.dtype)
    total_A1 = values_AM.masked_fill(~keep_AM, -math.inf).logsumexp(dim=1, keepdim=True)
    return total_A1 - count_A1.clamp(min=1).log()


def mutual_information(
    logits_AM: Tensor, log_weights_AM: Tensor, positive_AM: Tensor, negative_AM: Tensor
) -> dict[str, Tensor]:
    """Estimates of the two terms of Eq. 3, and the value at which the weights hold the second (Eq. 36-40), in nats.

    With the density ratio r_am = e^{z_am} / mean_k e^{z_ak}: `mi_positive` = mean log r over positives, `mi_negative` =
    mean log r over negatives, `mi_negative_target` = mean of -log w over the negatives whose weight is not 0.
    """
    log_ratio_AM = logits_AM - log_mean_exp(logits_AM, positive_AM | negative_AM)
    weighted_AM = negative_AM & log_weights_AM.isfinite()
    return {
        'mi_positive': _masked_mean(log_ratio_AM, positive_AM),
        'mi_negative': _masked_mean(log_ratio_AM, negative_AM),
        'mi_negative_target': _masked_mean(-log_weights_AM, weighted_AM),
    }


def weight_statistics(log_weights_AM: Tensor, negative_AM: Tensor, max_entries: int = 1_000_000) -> dict[str, Tensor]:
    """Mean, minimum and the 5/50/95 % quantiles of the negatives' weights; of evenly spaced anchors in a large batch."""
    step = max(1, negative_AM.numel() // max_entries)
    weights = log_weights_AM[::step][negative_AM[::step]].exp()
    if weights.numel() == 0:
        weights = log_weights_AM.new_ones(1)
    low, median, high = torch.quantile(weights, weights.new_tensor([0.05, 0.5, 0.95]))
    return {
        'weight_mean': weights.mean(),
        'weight_min': weights.min(),
        'weight_q05': low,
        'weight_q50': median,
        'weight_q95': high,
    }


def _masked_mean(values_AM: Tensor, keep_AM: Tensor) -> Tensor:
    return values_AM.where(keep_AM, values_AM.new_zeros(())).sum() / keep_AM.sum().clamp(min=1)
