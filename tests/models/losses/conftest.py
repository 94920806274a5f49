import pytest
import torch
from samples import pair, unit

from sacl_mm.models.losses import NegativeBank


@pytest.fixture
def batch():
    """Six pairs of five images (two captions of one), and a bank of four with one match and one empty slot."""
    bank = NegativeBank(
        pair(4, seed=1),
        torch.tensor([7, 3, -1, 20]),
        torch.tensor([70, 30, -1, 200]),
        dict(reference=unit(pair(4, 5, seed=2)), teacher=unit(pair(4, seed=5)), captions=pair(4, 3, seed=6)),
    )
    return dict(
        features=pair(6),
        image_ids=torch.tensor([3, 5, 3, 8, 9, 11]),
        text_ids=torch.tensor([31, 50, 32, 80, 90, 110]),
        evidence=dict(
            reference=unit(pair(6, 5, seed=3, correlation=1.0)),
            teacher=unit(pair(6, seed=4, correlation=1.0)),
            captions=pair(6, 3, seed=7),
        ),
        candidates=None,
        bank=bank,
    )
