"""TokenReducedViT does all that mmpretrain asks of its own VisionTransformer, and stands in its ImageClassifier."""

import pytest
import torch
from mmengine.runner import load_checkpoint, save_checkpoint

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.registry import MODELS

load_mmpretrain()
from mmpretrain.models import VisionTransformer  # noqa: E402
from mmpretrain.models.utils import resize_pos_embed  # noqa: E402
from mmpretrain.structures import DataSample  # noqa: E402

from sacl_mm.models.backbones import TokenReducedViT  # noqa: E402
from sacl_mm.models.backbones.token_reduced_vit import MergedTokens  # noqa: E402

ARCH = dict(embed_dims=16, num_layers=4, num_heads=2, feedforward_channels=32)
SIDE = 4  # patches
COMMON = dict(arch=ARCH, img_size=32, patch_size=8)


def vit(kind=TokenReducedViT, **options):
    torch.manual_seed(0)
    own = dict(reduction_layers=(2, 3), keep_rate=0.5) if kind is TokenReducedViT else {}
    model = kind(**COMMON | own | options)
    model.init_weights()
    model.eval()
    return model


def images(*size):
    torch.manual_seed(1)
    return torch.randn(2, 3, *(size or (32, 32)))


# ------------------------------------------------------------------------------------------------ structure
def test_the_architecture_is_mmpretrains():
    model = TokenReducedViT('deit-tiny', img_size=32, drop_path_rate=0.1)
    assert (model.embed_dims, len(model.layers)) == (192, 12)
    for number, layer in enumerate(model.layers):
        assert (layer.attn.embed_dims, layer.attn.num_heads, layer.ffn.feedforward_channels) == (192, 3, 768)
        assert layer.attn.out_drop.drop_prob == pytest.approx(0.1 * number / 11)
        assert layer.ffn.dropout_layer.drop_prob == pytest.approx(0.1 * number / 11)
    own = vit(pre_norm=True)
    assert isinstance(own.pre_norm, torch.nn.LayerNorm)
    assert [name for name, _ in vit().named_parameters()] == [n for n, _ in vit(VisionTransformer).named_parameters()]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(arch='unknown'), 'not in default archs'),
        (dict(arch=dict(num_layers=4, num_heads=2, feedforward_channels=8)), 'Custom arch needs'),
        (dict(out_indices={1: 1}), "get <class 'dict'>"),
        (dict(out_indices=[0, 5]), 'Invalid out_indices 5'),
    ],
)
def test_mmpretrains_checks_are_made(options, message):
    with pytest.raises(AssertionError, match=message):
        vit(**options)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(with_cls_token=False, out_type='avg_featmap'), 'needs a class token: leave with_cls_token at True'),
        (dict(out_type='featmap'), "no grid: out_type='featmap' needs keep_rate=1"),
        (dict(out_type='avg_featmap', guide='text'), 'drops tokens, so that they have no mean'),
        (dict(out_indices=[1, 3]), 'out_indices must be -1'),
        (dict(out_type='everything'), 'Unsupported `out_type` everything'),
    ],
)
def test_what_reduced_tokens_cannot_give_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        vit(**options)


# ------------------------------------------------------------------------------------------------ weights
def test_weights_are_initialised_as_asked():
    torch.manual_seed(0)
    kaiming = [dict(type='Kaiming', layer='Conv2d', mode='fan_in', nonlinearity='linear')]
    model = TokenReducedViT(**COMMON, reduction_layers=(2,), init_cfg=kaiming)
    before = model.patch_embed.projection.weight.clone()
    assert not model.pos_embed.any()
    model.init_weights()
    assert not torch.allclose(before, model.patch_embed.projection.weight)
    assert model.pos_embed.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize('size', [32, 64])
def test_a_checkpoint_of_mmpretrains_loads_and_positions_fit_the_image_size(size, tmp_path):
    plain = vit(VisionTransformer)
    save_checkpoint(plain.state_dict(), str(tmp_path / 'vit.pth'))
    model = vit(img_size=size)
    load_checkpoint(model, str(tmp_path / 'vit.pth'), strict=True)
    patches = (size // 8, size // 8)
    torch.testing.assert_close(model.pos_embed, resize_pos_embed(plain.pos_embed, (SIDE, SIDE), patches))
    assert model.pos_embed.shape[1] == 1 + patches[0] * patches[1]


@pytest.mark.parametrize('stages', [0, 2, 4])
def test_frozen_stages_have_no_gradient(stages):
    model = vit(frozen_stages=stages, out_type='cls_token')
    trained = {name.split('.')[1] for name, x in model.layers.named_parameters(prefix='layers') if x.requires_grad}
    assert trained == {str(number) for number in range(stages, 4)}
    first = (model.pos_embed, model.cls_token, *model.patch_embed.parameters())
    assert all(x.requires_grad == (stages == 0) for x in first)
    assert all(x.requires_grad == (stages < 4) for x in model.ln1.parameters())
    if stages < 4:
        model(images())[0].sum().backward()
        assert all((x.grad is not None) == x.requires_grad for x in model.parameters())


# ------------------------------------------------------------------------------------------------ outputs
@pytest.mark.parametrize('out_type', ['raw', 'cls_token', 'featmap', 'avg_featmap'])
@pytest.mark.parametrize('out_indices', [-1, [-3, -2, -1]])
def test_without_reduction_every_output_is_mmpretrains(out_type, out_indices):
    options = dict(out_type=out_type, out_indices=out_indices)
    plain, ours = (
        vit(kind, **options)
        for kind in (VisionTransformer, lambda **o: TokenReducedViT(**o, keep_rate=1.0, reduction_layers=(2,)))
    )
    ours.load_state_dict(plain.state_dict())
    for batch in (images(), images(40, 40), images(40, 52)):
        found, expected = ours(batch), plain(batch)
        assert isinstance(found, tuple)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize('size', [(32, 32), (40, 40), (40, 52)])
def test_outputs_of_reduced_tokens(size):
    batch = images(*size)
    raw = vit()(batch)
    assert isinstance(raw, MergedTokens)
    (cls_token,) = vit(out_type='cls_token')(batch)
    torch.testing.assert_close(cls_token, raw.tokens[:, 0])
    model = vit(out_type='avg_featmap')
    (mean,) = model(batch)
    weights = raw.sizes[:, 1:, None] / raw.sizes[:, 1:, None].sum(dim=1, keepdim=True)
    torch.testing.assert_close(mean, model.ln2((weights * raw.tokens[:, 1:]).sum(dim=1)))


@pytest.mark.parametrize('out_type', ['cls_token', 'avg_featmap'])
def test_outputs_of_several_layers(out_type):
    found = vit(out_type=out_type, out_indices=[0, 2, 3])(images())
    assert [x.shape for x in found] == [(2, 16)] * 3
    plain = vit(VisionTransformer, out_type=out_type, out_indices=[0])(images())
    torch.testing.assert_close(found[0], plain[0])  # before the first reduction


# ------------------------------------------------------------------------------------------------ a classifier
@pytest.mark.parametrize('out_type', ['cls_token', 'avg_featmap'])
def test_it_is_the_backbone_of_mmpretrains_classifier(out_type):
    torch.manual_seed(0)
    backbone = dict(COMMON, type='sacl_mm.TokenReducedViT', reduction_layers=(2, 3), keep_rate=0.5, out_type=out_type)
    head = dict(type='mmpretrain.VisionTransformerClsHead', num_classes=3, in_channels=16)
    model = MODELS.build(dict(type='mmpretrain.ImageClassifier', backbone=backbone, head=head))
    model.init_weights()
    samples = [DataSample().set_gt_label(label) for label in (0, 2)]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = model(images(), samples, mode='loss')['loss']
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert [int(sample.pred_label) for sample in model.eval()(images(), samples, mode='predict')] == [0, 2]
