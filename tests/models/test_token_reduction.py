"""Token reduction: in the transformer, text-guided or not, and after it."""

import math

import pytest
import torch

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.layers.token_reduction import guided_score, reduce_tokens
from sacl_mm.models.necks import ImageTokenNeck, TokenReductionNeck
from sacl_mm.registry import MODELS

load_mmpretrain()
from sacl_mm.models.backbones import TokenReducedViT  # noqa: E402

ARCH = dict(embed_dims=16, num_layers=4, num_heads=2, feedforward_channels=32)


def vit(**options):
    torch.manual_seed(0)
    model = TokenReducedViT(arch=ARCH, img_size=64, patch_size=16, **options)
    model.eval()
    return model


def plain_vit():
    torch.manual_seed(0)
    model = MODELS.build(
        dict(type='mmpretrain.VisionTransformer', arch=ARCH, img_size=64, patch_size=16, out_type='raw')
    )
    model.eval()
    return model


@pytest.mark.parametrize('fuse', [True, False])
def test_best_tokens_stay_in_order_and_the_rest_is_summed(fuse):
    tokens = torch.arange(12.0).reshape(1, 6, 2)
    score = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15]])
    reduced = reduce_tokens(tokens, score, keep_rate=0.5, fuse=fuse)
    expected = [tokens[0, 0], tokens[0, 2], tokens[0, 4], tokens[0, 5]]  # ceil(2.5) = 3 of the last five
    if fuse:
        expected.append(0.1 * tokens[0, 1] + 0.05 * tokens[0, 3])
    torch.testing.assert_close(reduced[0], torch.stack(expected))


def test_fused_token_teaches_the_scores():
    score = torch.rand(2, 5, requires_grad=True)
    reduce_tokens(torch.randn(2, 6, 3), score, keep_rate=0.4).sum().backward()
    assert ((score.grad != 0).sum(dim=1) == 3).all()


def test_scores_equal_plain_loops():
    guide, tokens = torch.randn(2, 8), torch.randn(2, 4, 8)
    expected = torch.stack([torch.stack([guide[b] @ tokens[b, n] / math.sqrt(8) for n in (1, 2, 3)]) for b in (0, 1)])
    torch.testing.assert_close(guided_score(guide, tokens), expected.softmax(dim=1))


@pytest.mark.parametrize('guide', ['similarity', 'text', 'both'])
def test_keeping_everything_is_no_reduction(guide):
    plain, reduced = plain_vit(), vit(guide=guide, keep_rate=1.0, reduction_layers=(2, 3))
    reduced.load_state_dict(plain.state_dict())  # mmpretrain's weights load unchanged
    images, texts = torch.randn(2, 3, 64, 64), torch.randn(2, 16)
    torch.testing.assert_close(reduced(images, texts)[0], plain(images)[0])


@pytest.mark.parametrize(('fuse', 'tokens'), [(True, 1 + 10), (False, 1 + 8)])
def test_tokens_that_are_left(fuse, tokens):
    # 16 patches: 12 (and 1) after layer 2, ceil(0.7 * 13) = 10 (and 1), without fusing 12 and 9, after layer 3
    model = vit(guide='text', fuse=fuse, keep_rate=0.7, reduction_layers=(2, 3))
    (out,) = model(torch.randn(2, 3, 64, 64), torch.randn(2, 16))
    assert out.shape == (2, tokens + 1, 16)


def test_the_text_decides_what_stays():
    model = vit(guide='text', keep_rate=0.3, reduction_layers=(1,))
    image = torch.randn(1, 3, 64, 64).expand(2, -1, -1, -1)
    first, second = model(image, torch.tensor([[1.0], [-1.0]]) * torch.randn(1, 16))[0]
    assert not torch.allclose(first, second)
    alone = model(image[:1], torch.zeros(1, 16))[0]
    assert alone.shape[1] == len(first)


def test_merging_is_the_default():
    model = vit(keep_rate=0.5, reduction_layers=1)
    sizes, tokens = model(torch.randn(2, 3, 64, 64))
    assert tokens.shape == (2, 1 + 8, 16)
    assert sizes.sum() == 2 * (1 + 16)


def test_larger_images_get_resized_positions():
    _, tokens = vit(keep_rate=0.5, reduction_layers=(1,))(torch.randn(1, 3, 96, 96))
    assert tokens.shape[1] == 1 + 18


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(guide='sound'), "'similarity', 'text' or 'both'"),
        (dict(keep_rate=0.0), 'keep_rate'),
        (dict(reduction_layers=(5,)), 'from 1 to 4, got 5'),
        (dict(out_type='featmap'), 'no grid'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        vit(**dict(reduction_layers=(2,)) | options)


def test_guide_must_fit():
    model, images = vit(guide='text', reduction_layers=(2,)), torch.randn(2, 3, 64, 64)
    with pytest.raises(ValueError, match="got none.*guide='similarity'"):
        model(images)
    with pytest.raises(ValueError, match='each of the 2 images, got 10'):
        model(images, torch.randn(10, 16))
    with pytest.raises(ValueError, match='got 8 and 16'):
        model(images, torch.randn(2, 8))


def test_neck_keeps_what_resembles_the_first_token():
    torch.manual_seed(0)
    plain, features = ImageTokenNeck(in_channels=6, out_channels=8), torch.randn(2, 6, 4, 4)
    neck = TokenReductionNeck(in_channels=6, out_channels=8, keep_rate=0.5, fuse=False)
    neck.load_state_dict(plain.state_dict())  # the same weights: a trained model may drop tokens
    (tokens,) = plain(features)
    best = (tokens[:, 1:] @ tokens[:, 0, :, None])[..., 0].topk(8).indices.sort(dim=1).values
    torch.testing.assert_close(neck(features)[0][0, 1:], tokens[0, 1:][best[0]])
    assert (neck.in_channels, neck.out_channels) == (6, 8)
    neck.keep_rate = 1.0
    torch.testing.assert_close(neck(features)[0], tokens)
    with pytest.raises(ValueError, match='keep_rate'):
        TokenReductionNeck(in_channels=6, keep_rate=1.5)


@pytest.fixture
def towers():
    torch.manual_seed(0)
    return MODELS.build(text_guided_towers()).eval()


def text_guided_towers(**options):
    backbone = dict(type='TokenReducedViT', arch=ARCH, img_size=64, patch_size=16, reduction_layers=(2,))
    backbone |= dict(guide='text', keep_rate=0.3) | options
    text_encoder = dict(type='BertTextEncoder', vocab_size=9, width=16, num_layers=1, num_heads=2, max_length=8)
    neck = dict(type='ImageTokenNeck', in_channels=16)
    return dict(type='TwoTower', vision_backbone=backbone, neck=neck, text_backbone=text_encoder, embed_dims=4)


@pytest.mark.parametrize('images_per_text', [1, 2])
def test_towers_read_each_image_with_its_text(towers, images_per_text):
    images = torch.randn(3 * images_per_text, 3, 64, 64)
    token_ids, mask = torch.randint(9, (3, 5)), torch.ones(3, 5, dtype=torch.bool)
    image, text = towers(images, token_ids, mask)
    assert image.tokens.shape == (len(images), 1 + 5 + 1, 16)
    for number in range(len(images)):
        alone = towers.encode_image(images[number : number + 1], text.tokens[number % 3 : number % 3 + 1, 0])
        torch.testing.assert_close(image.tokens[number], alone.tokens[0])


def test_of_several_texts_an_image_none_is_silently_taken(towers):
    images, token_ids, mask = torch.randn(3, 3, 64, 64), torch.randint(9, (6, 5)), torch.ones(6, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match='one text for each of the 3 images, got 6'):
        towers(images, token_ids, mask)


def test_images_without_texts_are_an_error_that_tells_the_way_out(towers):
    with pytest.raises(ValueError, match='retrieval among many texts'):
        towers.encode_image(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize(
    ('options', 'warns'),
    [(dict(), True), (dict(guide='both'), True), (dict(guide='similarity'), False), (dict(keep_rate=1.0), False)],
)
def test_contrast_of_text_guided_images_is_warned_of(options, warns, monkeypatch):
    said = []
    monkeypatch.setattr('sacl_mm.models.dual_encoder.print_log', lambda message, **_: said.append(message))
    MODELS.build(
        dict(
            type='DualEncoder',
            towers=text_guided_towers(**options),
            contrastive_loss=dict(type='SACLContrastiveLoss'),
            data_preprocessor=dict(type='ImageTextPreprocessor', vocab_size=9),
        )
    )
    assert ['guide=similarity' in message for message in said] == [True] * warns


@pytest.mark.parametrize('guide', ['text', 'both', 'similarity'])
def test_only_guidance_by_text_leaves_traces_of_it(guide):
    """Why contrast is warned of: the same image with other texts has other features."""
    torch.manual_seed(0)
    towers = MODELS.build(text_guided_towers(guide=guide)).eval()
    for layer in (towers.vision_backbone.text_queries or {}).values():
        torch.nn.init.normal_(layer.weight)
    images = torch.randn(1, 3, 64, 64).expand(4, -1, -1, -1)
    image, _ = towers(images, torch.randint(9, (4, 5)), torch.ones(4, 5, dtype=torch.bool))
    differ = (image.feature - image.feature[0]).abs().amax(dim=1) > 1e-4
    assert differ[1:].all() if guide in ('text', 'both') else not differ.any()
