import pytest
import torch
import torch.nn.functional as F

from sacl_mm.functional.length_buckets import in_length_buckets
from sacl_mm.models.fusion import FusionEncoder
from sacl_mm.models.text_encoders import BertTextEncoder

LENGTHS = torch.tensor([3, 9, 2, 5, 9, 4, 2, 7, 6, 3, 8])
MASK_BL = torch.arange(9) < LENGTHS[:, None]


def test_order_is_kept_and_short_texts_are_not_padded():
    values_BLC = torch.randn(11, 9, 2)
    shapes = []

    def encode(index, length):
        shapes.append((len(LENGTHS[index]), length))
        return values_BLC[index, :length]

    out_BLC = in_length_buckets(encode, MASK_BL, buckets=3)
    assert shapes == [(4, 9), (4, 6), (3, 3)]
    torch.testing.assert_close(out_BLC[MASK_BL], values_BLC[MASK_BL])
    assert out_BLC.shape == (11, 9, 2)


@pytest.mark.parametrize('buckets', [2, 4])
def test_encoders_give_the_same_tokens_and_gradients(buckets):
    torch.manual_seed(0)
    encoder = BertTextEncoder(vocab_size=20, width=16, num_layers=2, num_heads=2, max_length=9, dropout=0.0)
    fusion = FusionEncoder(width=16, image_width=12, num_layers=2, num_heads=2, dropout=0.0)
    modules = torch.nn.ModuleList([encoder, fusion]).double()
    token_ids_BL = torch.randint(20, (11, 9))
    image_PNC, image_B = torch.randn(5, 4, 12, dtype=torch.float64), torch.randint(5, (11,))
    results = []
    for number in (1, buckets):
        encoder.length_buckets = fusion.length_buckets = number
        modules.zero_grad()
        text_BLC = encoder(token_ids_BL, MASK_BL)
        fused_BLC = fusion(text_BLC, MASK_BL, fusion.project(image_PNC), image_B)
        (fused_BLC[MASK_BL].sin().sum()).backward()
        results.append([fused_BLC[MASK_BL], *(p.grad.clone() for p in modules.parameters() if p.grad is not None)])
    torch.testing.assert_close(*results)


def test_a_mask_longer_than_all_texts_keeps_its_length():
    """As where another process has longer ones, or another chunk of a batch that is encoded in chunks."""
    mask_BL, values_BLC = F.pad(MASK_BL, (0, 3)), torch.randn(11, 12, 2)
    out_BLC = in_length_buckets(lambda index, length: values_BLC[index, :length], mask_BL, buckets=3)
    assert out_BLC.shape == (11, 12, 2)
    torch.testing.assert_close(out_BLC[mask_BL], values_BLC[mask_BL])


def test_few_texts_are_one_bucket():
    lengths = []
    in_length_buckets(lambda index, length: lengths.append(length) or torch.zeros(3, 9, 1), MASK_BL[:3], buckets=2)
    assert lengths == [9]
