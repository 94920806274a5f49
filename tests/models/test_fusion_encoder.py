"""The cheap ways of fusing (in turn, first token only, shared keys and values) equal the plain one, in value and gradient."""

import pytest
import torch

from sacl_mm.models.fusion import FusionEncoder, PairedFusionEncoder

IMAGES, LENGTHS = 3, torch.tensor([7, 4, 2, 5, 6, 1, 3, 7])
MASK_BL = torch.arange(7) < LENGTHS[:, None]


def built(kind=FusionEncoder, **options):
    torch.manual_seed(0)
    return kind(**dict(width=16, image_width=12, num_layers=2, num_heads=2, dropout=0.0) | options).double()


def plain(fusion, text_BLC, image_PNC, image_B):
    """Every text alone, without padding, its image projected for it."""
    outputs = []
    for text_LC, mask_L, image in zip(text_BLC, MASK_BL, image_B, strict=False):
        text_1LC = text_LC[mask_L][None]
        for layer in fusion.layers:
            key_value = layer.cross_attention.project(image_PNC[image][None])
            text_1LC = layer(text_1LC, mask_L[mask_L][None], key_value)
        outputs.append(text_1LC[0])
    return outputs


@pytest.mark.parametrize('options', [{}, dict(length_buckets=2), dict(checkpoint_rows=3)], ids=str)
@pytest.mark.parametrize(
    ('texts', 'indexed'), [(6, None), (8, [0, 1, 2, 0, 1, 2, 1, 2]), (8, [0, 1, 2, 2, 1, 0, 0, 2])]
)
def test_texts_in_turn_and_by_index(texts, indexed, options):
    fusion = built(**options)
    text_BLC = torch.randn(texts, 7, 16, dtype=torch.float64, requires_grad=True)
    image_PNC = torch.randn(IMAGES, 5, 12, dtype=torch.float64, requires_grad=True)
    image_B = indexed or [b % IMAGES for b in range(texts)]
    index = None if indexed is None else torch.tensor(indexed)
    mask_BL = MASK_BL[:texts]
    wanted = [text_BLC, image_PNC, *fusion.parameters()]
    fused_BLC = fusion(text_BLC, mask_BL, fusion.project(image_PNC), index)
    expected = plain(fusion, text_BLC, image_PNC, image_B)
    for fused_LC, mask_L, expected_LC in zip(fused_BLC, mask_BL, expected, strict=True):
        torch.testing.assert_close(fused_LC[mask_L], expected_LC)
    torch.testing.assert_close(
        torch.autograd.grad(fused_BLC[mask_BL].sin().sum(), wanted),
        torch.autograd.grad(torch.cat(expected).sin().sum(), wanted),
    )
    first_B1C = fusion(text_BLC, mask_BL, fusion.project(image_PNC), index, first=1)
    assert first_B1C.shape == (texts, 1, 16)
    expected_BC = torch.stack([tokens[0] for tokens in plain(fusion, text_BLC, image_PNC, image_B)])
    torch.testing.assert_close(first_B1C[:, 0], expected_BC)
    torch.testing.assert_close(
        torch.autograd.grad(first_B1C.sin().sum(), wanted), torch.autograd.grad(expected_BC.sin().sum(), wanted)
    )


@pytest.mark.parametrize('options', [{}, dict(length_buckets=2), dict(checkpoint_rows=3)], ids=str)
def test_two_images_in_parts_and_first_token(options):
    whole, fusion = built(PairedFusionEncoder), built(PairedFusionEncoder, **options)
    text_BLC = torch.randn(8, 7, 16, dtype=torch.float64, requires_grad=True)
    image_PNC = torch.randn(IMAGES, 5, 12, dtype=torch.float64)
    image_index = torch.randint(IMAGES, (8, 2))
    results = []
    for model in (whole, fusion):
        arguments = text_BLC, MASK_BL, model.project(image_PNC), image_index
        fused_BLC, first_B1C = model(*arguments), model(*arguments, first=1)
        torch.testing.assert_close(first_B1C, fused_BLC[:, :1])
        fused = fused_BLC[MASK_BL]
        results.append([fused, *torch.autograd.grad(fused.sin().sum(), [text_BLC, *model.parameters()])])
    torch.testing.assert_close(*results)


def test_texts_that_cannot_meet_the_images_in_turn():
    fusion = built()
    keys_values = fusion.project(torch.randn(IMAGES, 5, 12, dtype=torch.float64))
    with pytest.raises(ValueError, match='8 texts cannot meet 3 images in turn'):
        fusion(torch.randn(8, 7, 16, dtype=torch.float64), MASK_BL, keys_values)
