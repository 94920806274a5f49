"""The cheap ways of fusing (in turn, first token only, shared keys and values) equal the plain one, in value and gradient."""

import pytest
import torch

from sacl_mm.models.fusion import FusionEncoder, PairedFusionEncoder

PICTURES, LENGTHS = 3, torch.tensor([7, 4, 2, 5, 6, 1, 3, 7])
MASK_BL = torch.arange(7) < LENGTHS[:, None]


def built(kind=FusionEncoder, **options):
    torch.manual_seed(0)
    return kind(**dict(width=16, image_width=12, num_layers=2, num_heads=2, dropout=0.0) | options).double()


def plain(fusion, text_BLC, image_PNC, picture_B):
    """Every text alone, without padding, its picture projected for it."""
    outputs = []
    for text_LC, mask_L, picture in zip(text_BLC, MASK_BL, picture_B, strict=False):
        text_1LC = text_LC[mask_L][None]
        for layer in fusion.layers:
            key_value = layer.cross_attention.project(image_PNC[picture][None])
            text_1LC = layer(text_1LC, mask_L[mask_L][None], key_value)
        outputs.append(text_1LC[0])
    return outputs


@pytest.mark.parametrize('options', [{}, dict(length_buckets=2), dict(checkpoint_rows=3)], ids=str)
@pytest.mark.parametrize(
    ('texts', 'indexed'), [(6, None), (8, [2, 0]), (8, [1, 1, 0, 2, 2]), (8, [0, 1, 2, 2, 1, 0, 0, 2])]
)
def test_texts_in_turn_and_by_index(texts, indexed, options):
    fusion = built(**options)
    text_BLC = torch.randn(texts, 7, 16, dtype=torch.float64, requires_grad=True)
    image_PNC = torch.randn(PICTURES, 5, 12, dtype=torch.float64, requires_grad=True)
    in_turn = texts - len(indexed or ())
    picture_B = [*(b % PICTURES for b in range(in_turn)), *(indexed or ())]
    index = None if indexed is None else torch.tensor(indexed)
    mask_BL = MASK_BL[:texts]
    wanted = [text_BLC, image_PNC, *fusion.parameters()]
    fused_BLC = fusion(text_BLC, mask_BL, fusion.project(image_PNC), index)
    expected = plain(fusion, text_BLC, image_PNC, picture_B)
    for fused_LC, mask_L, expected_LC in zip(fused_BLC, mask_BL, expected, strict=True):
        torch.testing.assert_close(fused_LC[mask_L], expected_LC)
    torch.testing.assert_close(
        torch.autograd.grad(fused_BLC[mask_BL].sin().sum(), wanted),
        torch.autograd.grad(torch.cat(expected).sin().sum(), wanted),
    )
    first_B1C = fusion(text_BLC, mask_BL, fusion.project(image_PNC), index, first=1)
    assert first_B1C.shape == (texts, 1, 16)
    expected_BC = torch.stack([tokens[0] for tokens in plain(fusion, text_BLC, image_PNC, picture_B)])
    torch.testing.assert_close(first_B1C[:, 0], expected_BC)
    torch.testing.assert_close(
        torch.autograd.grad(first_B1C.sin().sum(), wanted), torch.autograd.grad(expected_BC.sin().sum(), wanted)
    )


@pytest.mark.parametrize(
    'options',
    [{}, dict(length_buckets=2), dict(checkpoint_rows=3), dict(num_layers=1), dict(num_layers=1, checkpoint_rows=3)],
    ids=str,
)
@pytest.mark.parametrize('picture_R', [torch.tensor([1, 2]), 1], ids=['by index', 'the last'])
@pytest.mark.parametrize('read', [7, 3])
def test_texts_of_two_kinds_in_one_pass(read, picture_R, options):
    fusion = built(**options)
    count = 8 if isinstance(picture_R, torch.Tensor) else 7  # in turn with all pictures, or with all but the last
    text_BLC = torch.randn(count, 7, 16, dtype=torch.float64, requires_grad=True)
    image_PNC = torch.randn(PICTURES, 5, 12, dtype=torch.float64, requires_grad=True)
    mask_BL = MASK_BL[:count]
    picture_B = [0, 1, 2, 0, 1, 2, 1, 2] if count == 8 else [0, 1, 0, 1, 0, 1, 2]
    masked = 3 if count == 8 else 2
    wanted = [text_BLC, image_PNC, *fusion.parameters()]
    arguments = text_BLC, mask_BL, fusion.projections(image_PNC), picture_R
    read_WPC, first_R1C = fusion.of_two_kinds(masked, *arguments, first=(read, 1))
    assert read_WPC.shape[1] == read
    expected = plain(fusion, text_BLC, image_PNC, picture_B)
    found = torch.cat([read_WPC[mask_BL[:masked, :read]], first_R1C[:, 0]])
    expected = torch.cat([*(tokens[:read] for tokens in expected[:masked]), *(x[:1] for x in expected[masked:])])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found.sin().sum(), wanted), torch.autograd.grad(expected.sin().sum(), wanted)
    )


def test_the_backward_pass_is_through_with_a_layers_pictures_before_it_comes_to_the_layer_below():
    fusion, order = built(), []
    for number, layer in enumerate(fusion.layers):
        for name in ('cross_attention.key', 'cross_attention.value', 'feed_forward_norm'):
            layer.get_submodule(name).weight.register_hook(lambda _, event=(name, number): order.append(event))
    text_BLC = torch.randn(8, 7, 16, dtype=torch.float64)
    image_PNC = torch.randn(PICTURES, 5, 12, dtype=torch.float64)
    for keys_values, is_early in ((fusion.project(image_PNC), False), (fusion.projections(image_PNC), True)):
        order.clear()
        fusion(text_BLC[:6], MASK_BL[:6], keys_values).sum().backward()
        for name in ('cross_attention.key', 'cross_attention.value'):
            assert (order.index((name, 1)) < order.index(('feed_forward_norm', 0))) is is_early


@pytest.mark.parametrize('options', [{}, dict(length_buckets=2), dict(checkpoint_rows=3)], ids=str)
def test_two_pictures_in_parts_and_first_token(options):
    whole, fusion = built(PairedFusionEncoder), built(PairedFusionEncoder, **options)
    text_BLC = torch.randn(8, 7, 16, dtype=torch.float64, requires_grad=True)
    image_PNC = torch.randn(PICTURES, 5, 12, dtype=torch.float64)
    first_B, second_B = torch.randint(PICTURES, (2, 8))
    results = []
    for model in (whole, fusion):
        arguments = text_BLC, MASK_BL, model.project(image_PNC), first_B, second_B
        fused_BLC, first_B1C = model(*arguments), model(*arguments, first=1)
        torch.testing.assert_close(first_B1C, fused_BLC[:, :1])
        fused = fused_BLC[MASK_BL]
        results.append([fused, *torch.autograd.grad(fused.sin().sum(), [text_BLC, *model.parameters()])])
    torch.testing.assert_close(*results)


def test_texts_that_cannot_meet_the_pictures_in_turn():
    fusion = built()
    keys_values = fusion.project(torch.randn(PICTURES, 5, 12, dtype=torch.float64))
    with pytest.raises(ValueError, match='8 texts cannot meet 3 pictures in turn'):
        fusion(torch.randn(8, 7, 16, dtype=torch.float64), MASK_BL, keys_values)
