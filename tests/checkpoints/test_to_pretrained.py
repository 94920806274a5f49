"""What was trained goes back to the library that it came from, with equal features."""

import json
import runpy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from PIL import Image
from pretrained_examples import TEXTS, clip, expected, images, open_clip, siglip

from sacl_mm.registry import MODELS

TOOL = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'convert.py'


def convert(monkeypatch, source: Path, target: Path) -> None:
    monkeypatch.setattr('sys.argv', [str(TOOL), 'to-pretrained', str(source), str(target)])
    runpy.run_path(str(TOOL), run_name='__main__')


def trained(folder: Path, pretrained: str):
    """A work directory with a model that is no longer the pre-trained one."""
    config = dict(
        type='DualEncoder',
        data_preprocessor=dict(type='ImageTextPreprocessor'),
        towers=dict(type='PretrainedTowers', pretrained=pretrained),
        contrastive_loss=dict(type='SACLContrastiveLoss', temperature='pretrained'),
    )
    model = MODELS.build(dict(config, _scope_='sacl_mm'))
    model.init_weights()
    with torch.no_grad():
        for weight in model.towers.parameters():
            weight.mul_(0.9)
        model.contrastive_loss.log_temperature.fill_(-3.5)
    folder.mkdir()
    Config(dict(default_scope='sacl_mm', model=config)).dump(folder / 'config.py')
    torch.save(dict(state_dict=model.state_dict()), folder / 'best_1.pth')
    return model.eval()


@torch.no_grad()
def features(model, pretrained: str, paths: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    from sacl_mm.datasets import LoadImage, PreparePretrainedImage, PretrainedTokenizer
    from sacl_mm.functional.length_buckets import pad_texts

    load, prepare, tokenizer = LoadImage(), PreparePretrainedImage(pretrained), PretrainedTokenizer(pretrained)
    pixels = torch.stack([prepare(load(dict(img_path=path)))['img'] for path in paths])
    texts = [torch.tensor(tokenizer.encode(text, tokenizer.max_length)) for text in TEXTS]
    image, text = model.towers(pixels, *pad_texts(texts))
    return image.feature, text.feature


def example(kind: str, folder: Path) -> tuple[str, list[str], Path, object]:
    folder.mkdir()
    pretrained = dict(clip=clip, siglip=siglip, open_clip=open_clip)[kind](folder)
    return pretrained, images(folder), folder.parent / 'work', trained(folder.parent / 'work', pretrained)


@pytest.mark.parametrize('kind', ['clip', 'siglip'])
def test_transformers_loads_it(kind, tmp_path, monkeypatch):
    pretrained, paths, work, model = example(kind, tmp_path / 'start')
    convert(monkeypatch, work, tmp_path / 'new' / 'folder')
    ours = features(model, pretrained, paths)
    theirs = expected(str(tmp_path / 'new' / 'folder'), paths, TEXTS)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    from transformers import AutoModel

    assert AutoModel.from_pretrained(tmp_path / 'new' / 'folder').logit_scale.item() == pytest.approx(3.5)
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['folder']


def test_sentence_transformers_loads_a_clip(tmp_path, monkeypatch):
    library = pytest.importorskip('sentence_transformers')
    pretrained, paths, work, model = example('clip', tmp_path / 'start')
    convert(monkeypatch, work, tmp_path / 'folder')
    theirs = library.SentenceTransformer(str(tmp_path / 'folder'), device='cpu')
    image = F.normalize(theirs.encode([Image.open(path) for path in paths], convert_to_tensor=True), dim=-1)
    text = F.normalize(theirs.encode(TEXTS, convert_to_tensor=True), dim=-1)
    ours = features(model, pretrained, paths)
    torch.testing.assert_close(image, ours[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(text, ours[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize('suffix', ['.pt', '.safetensors'])
def test_open_clip_loads_it(suffix, tmp_path, monkeypatch):
    library = pytest.importorskip('open_clip')
    pretrained, paths, work, model = example('open_clip', tmp_path / 'start')
    convert(monkeypatch, work, tmp_path / f'new{suffix}')
    described = json.loads((tmp_path / 'start' / 'open_clip_config.json').read_text())
    (tmp_path / 'Tiny-32.json').write_text(json.dumps(described['model_cfg']))
    library.add_model_config(tmp_path / 'Tiny-32.json')
    theirs = library.create_model('Tiny-32', pretrained=str(tmp_path / f'new{suffix}')).eval()
    assert theirs.logit_scale.item() == pytest.approx(3.5)
    text = features(model, pretrained, paths)[1]
    with torch.no_grad():
        theirs_text = F.normalize(theirs.encode_text(library.get_tokenizer('Tiny-32')(TEXTS)), dim=-1)
    torch.testing.assert_close(theirs_text, text, atol=1e-6, rtol=0)
    # As a start of another training, named by its file.
    named = f'open_clip:Tiny-32/{tmp_path}/new{suffix}'
    again = MODELS.build(dict(type='PretrainedTowers', pretrained=named, _scope_='sacl_mm'))
    again.init_weights()
    for key, value in model.towers.state_dict().items():
        if 'logit_scale' not in key:
            assert torch.equal(again.state_dict()[key], value)


def test_other_models_have_no_library_to_go_back_to(tmp_path, monkeypatch):
    from inferencers import saved

    saved(tmp_path, 'DualEncoder')
    with pytest.raises(SystemExit, match='error: .*is a DualEncoder without PretrainedTowers'):
        convert(monkeypatch, tmp_path / 'DualEncoder.pth', tmp_path / 'target')
    assert not (tmp_path / 'target').exists()
