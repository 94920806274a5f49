"""Features equal those of the libraries themselves, from files and strings; what is locked stays."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from pretrained_examples import KINDS, TEXTS, clip, expected, images, siglip

from sacl_mm.datasets import ImageTextPairs
from sacl_mm.inference import ImageTextInferencer
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.models.pretrained import PretrainedTowers
from sacl_mm.models.pretrained.hugging_face import HuggingFaceModels
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError


def example(kind: str, folder: Path) -> str:
    if kind.startswith('open_clip'):
        pytest.importorskip('open_clip')
    return KINDS[kind](folder)


def pipeline(pretrained: str, train: bool = False) -> list[dict]:
    return [
        dict(type='sacl_mm.LoadImage'),
        dict(type='sacl_mm.PreparePretrainedImage', pretrained=pretrained, train=train),
        dict(type='sacl_mm.TokenizeText', tokenizer=dict(type='PretrainedTokenizer', pretrained=pretrained)),
        dict(type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids']),
    ]


def model_config(pretrained: str, **towers) -> dict:
    return dict(
        type='DualEncoder',
        data_preprocessor=dict(type='ImageTextPreprocessor'),
        towers=dict(type='PretrainedTowers', pretrained=pretrained, **towers),
        contrastive_loss=dict(type='SACLContrastiveLoss', temperature='pretrained'),
    )


def built(pretrained: str, **towers) -> DualEncoder:
    model = MODELS.build(dict(model_config(pretrained, **towers), _scope_='sacl_mm'))
    model.init_weights()
    return model


def batch(folder: Path, pretrained: str, model: DualEncoder, train: bool = False) -> dict:
    """Five images with a text each, through the whole pipeline."""
    rows = [f'{Path(path).name},"{text}"' for path, text in zip(images(folder), TEXTS, strict=True)]
    (folder / 'pairs.csv').write_text('\n'.join(['image,caption', *rows]) + '\n')
    prefix, steps = dict(img_path=str(folder)), pipeline(pretrained, train)
    pairs = ImageTextPairs(str(folder / 'pairs.csv'), data_prefix=prefix, pipeline=steps)
    return model.data_preprocessor(pseudo_collate(list(pairs)), train)


@pytest.mark.parametrize('kind', KINDS)
def test_features_are_those_of_the_library(kind, tmp_path):
    pretrained = example(kind, tmp_path)
    model = built(pretrained).eval()
    image, text = expected(pretrained, images(tmp_path), TEXTS)
    of_batch = batch(tmp_path, pretrained, model)
    with torch.no_grad():
        ours = model(mode='tensor', **of_batch)
    torch.testing.assert_close(ours[0].feature, image, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours[1].feature, text, atol=1e-6, rtol=0)
    assert image.std(dim=0).min() > 1e-3
    assert text.std(dim=0).min() > 1e-3
    assert model.towers.embed_dims == image.shape[1]

    # From a checkpoint of ours, with the architecture alone beside it.
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'ours.pth')
    for weights in tmp_path.glob('*.safetensors'):
        weights.unlink()
    cfg = dict(
        default_scope='sacl_mm',
        model=model_config(pretrained),
        test_dataloader=dict(dataset=dict(type='ImageTextPairs', pipeline=pipeline(pretrained))),
    )
    inferencer = ImageTextInferencer(Config(cfg), tmp_path / 'ours.pth', device='cpu', batch_size=2)
    torch.testing.assert_close(inferencer.embed_images(images(tmp_path)), image, atol=1e-6, rtol=0)
    torch.testing.assert_close(inferencer.embed_texts(TEXTS), text, atol=1e-6, rtol=0)


@pytest.mark.parametrize('kind', ['clip', 'siglip', 'open_clip'])
@pytest.mark.parametrize('lock', [(), ('image',), ('text',)])
def test_a_locked_tower_stays_as_it_is(kind, lock, tmp_path):
    pretrained = example(kind, tmp_path)
    model = built(pretrained, lock=lock)
    assert model.contrastive_loss.temperature.item() == pytest.approx(model.towers.temperature)
    loss = model.loss(batch(tmp_path, pretrained, model, train=True))['loss_itc']
    loss.backward()
    names = dict(image=('vis',), text=('text', 'token_embedding', 'positional', 'ln_final', 'transformer'))
    sides = {
        name: [key for key in names if name.startswith(names[key])] for name, _ in model.towers.model.named_parameters()
    }
    for name, weight in model.towers.model.named_parameters():
        learns = bool(sides[name]) and sides[name][0] not in lock
        assert weight.requires_grad == learns
        assert (weight.grad is not None) == learns, name  # DistributedDataParallel wants a gradient for all
    for name, part in model.towers.train().model.named_children():
        assert part.training == (next(key for key in names if name.startswith(names[key])) not in lock)


def test_rows_at_a_time_give_the_same_gradient(tmp_path):
    pretrained, gradients = clip(tmp_path), []
    for options in (dict(), dict(checkpoint_rows=2)):
        model = built(pretrained, **options)
        of_batch = batch(tmp_path, pretrained, model)
        model.loss(of_batch)['loss_itc'].backward()
        gradients.append(torch.cat([w.grad.flatten() for w in model.towers.parameters() if w.grad is not None]))
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-4, rtol=1e-5)


def test_the_temperature_is_the_models_or_a_number(tmp_path):
    pretrained = clip(tmp_path)
    assert built(pretrained).contrastive_loss.temperature.item() == pytest.approx(1 / 50)
    config = model_config(pretrained) | dict(contrastive_loss=dict(type='SACLContrastiveLoss', temperature=0.1))
    model = MODELS.build(dict(config, _scope_='sacl_mm'))
    model.init_weights()
    assert model.contrastive_loss.temperature.item() == pytest.approx(0.1)
    towers = dict(type='FeatureTowers', image_dims=4, text_dims=4)
    with pytest.raises(ValueError, match="temperature='pretrained', but the FeatureTowers have none"):
        MODELS.build(dict(model_config(pretrained), towers=towers, _scope_='sacl_mm'))


def test_mistakes_are_one_line(tmp_path):
    with pytest.raises(UserError, match="pretrained='.*/none': cannot read its config.json"):
        PretrainedTowers(str(tmp_path / 'none'))
    for lock in ('image', ('picture',), ('image', 'text')):
        with pytest.raises(ValueError, match='lock must be'):
            PretrainedTowers(str(tmp_path), lock=lock)
    pretrained = siglip(tmp_path)
    towers = PretrainedTowers(pretrained)
    short = torch.ones(2, 5, dtype=torch.long)
    with pytest.raises(ValueError, match='needs texts padded to 64 tokens, got 5: .*PretrainedTokenizer'):
        towers.encode_text(short, short > 0)
    config = dict(model_config(pretrained), type='ImageTextRetrieval')
    fusion = dict(type='FusionEncoder', width=32, image_width=32, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match='no tokens for a multimodal_backbone'):
        MODELS.build(
            dict(
                config, multimodal_backbone=fusion, matching_head=dict(type='MatchingHead', width=32), _scope_='sacl_mm'
            )
        )
    described = json.loads((tmp_path / 'config.json').read_text())
    for kind, message in (('siglip2', 'NaFlex'), ('bert', 'no get_image_features')):
        (tmp_path / 'config.json').write_text(json.dumps(dict(described, model_type=kind)))
        with pytest.raises(UserError, match=message):
            PretrainedTowers(pretrained)


def test_a_model_of_unknown_parts_is_not_half_locked(tmp_path, monkeypatch):
    def build(library, name: str) -> torch.nn.Module:
        model = built_before(library, name)
        model.image_model = model.vision_model
        del model.vision_model, model.visual_projection
        return model

    built_before = HuggingFaceModels.build
    monkeypatch.setattr(HuggingFaceModels, 'build', build)
    with pytest.raises(ValueError, match='unknown names, so that none can be locked'):
        PretrainedTowers(clip(tmp_path), lock=('image',))


def test_only_safetensors_are_read(tmp_path):
    pretrained = clip(tmp_path)
    state = PretrainedTowers(pretrained).model.state_dict()
    (tmp_path / 'model.safetensors').unlink()
    torch.save(state, tmp_path / 'pytorch_model.bin')
    with pytest.raises(UserError, match=r'cannot read its weights \(model.safetensors\)'):
        built(pretrained)


def test_weights_that_are_missing_are_no_random_ones(tmp_path):
    from safetensors.torch import load_file, save_file

    pretrained = clip(tmp_path)
    state = load_file(tmp_path / 'model.safetensors')
    del state['visual_projection.weight']
    save_file(state, tmp_path / 'model.safetensors', metadata=dict(format='pt'))
    with pytest.raises(UserError, match='lacks 1 weights, the first is visual_projection.weight'):
        built(pretrained)


def test_open_clip_is_needed_only_for_its_models(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'open_clip', None)
    with pytest.raises(UserError, match=r'pip install -e .\[open_clip\]'):
        PretrainedTowers('open_clip:ViT-B-32')


def test_open_clip_needs_weights_to_start_from():
    pytest.importorskip('open_clip')
    with pytest.raises(UserError, match="open_clip has no model 'ViT-B-33'; did you mean 'ViT-B-32'"):
        PretrainedTowers('open_clip:ViT-B-33/openai')
    towers = PretrainedTowers('open_clip:RN50')
    with pytest.raises(UserError, match="names no weights: give 'open_clip:RN50/WEIGHTS'"):
        towers.init_weights()
    with pytest.raises(ValueError, match='batch normalisation'):
        PretrainedTowers('open_clip:RN50', checkpoint_rows=2)
