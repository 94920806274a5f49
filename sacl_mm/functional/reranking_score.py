"""What candidates are re-ranked by."""

from torch import Tensor

# The protocols that publications use, by name, and as they are reported.
RERANKING_SCORES = {
    'itm': 'ITM alone (as ALBEF)',
    'itm+itc': 'ITM + ITC (as LAVIS and mmpretrain)',
    'itm+itc/temperature': 'ITM + ITC / temperature',
}


def check_reranking_score(name: str) -> None:
    """Raises ValueError unless it is one of `RERANKING_SCORES`."""
    if name not in RERANKING_SCORES:
        raise ValueError(f'score must be one of {sorted(RERANKING_SCORES)}, got {name!r}')


def reranking_score(name: str, matching: Tensor, cosine: Tensor, temperature: Tensor) -> Tensor:
    """`matching`, the matching head's logit for "matches", plus nothing, the cosine, or the cosine over the learned
    temperature, which is the logit of the contrastive softmax."""
    if name == 'itm':
        return matching
    return matching + (cosine / temperature if name == 'itm+itc/temperature' else cosine)
