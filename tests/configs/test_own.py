"""configs/own: one's own images and captions, from a pre-trained model to searching with the trained one."""

from pathlib import Path

import pytest
import torch
from command_line import tool
from mmengine.config import Config
from pretrained_examples import clip, images

from sacl_mm.inference import ImageTextInferencer

ROOT = Path(__file__).parents[2]
CAPTIONS = ['a red cat', 'two dogs', 'one hill', 'a cat on a hill']


@pytest.fixture
def own(tmp_path):
    """A tiny CLIP in the environment, and 20 images with captions."""
    (tmp_path / 'clip').mkdir()
    (tmp_path / 'images').mkdir()
    paths = images(tmp_path / 'images', 20)
    rows = [f'{Path(path).name},{CAPTIONS[i % 4]} {i}' for i, path in enumerate(paths)]
    (tmp_path / 'captions.csv').write_text('\n'.join(['image,caption', *rows]) + '\n')
    return dict(CLIP=clip(tmp_path / 'clip'))


def test_clip_is_trained_and_searched_with(own, tmp_path):
    options = ['train_dataloader.num_workers=2', 'val_dataloader.num_workers=0', 'default_hooks.logger.interval=1']
    work = tmp_path / 'work'
    done = tool(
        'train.py',
        'configs/own/clip.py',
        '--data',
        tmp_path / 'captions.csv',
        '--work-dir',
        work,
        options=options,
        env=own,
    )
    assert '18 to train, 2 to validate' in done.stdout
    assert 'Epoch(train)  [1][4/4]' in done.stdout
    assert 'temperature: 0.0200' in done.stdout
    assert 'retrieval/R@mean' in done.stdout
    assert 'fork' not in done.stderr
    assert 'slow image processor' not in done.stderr
    best = list(work.glob('best_*.pth'))
    assert len(best) == 1

    for weights in (tmp_path / 'clip').glob('*.safetensors'):
        weights.unlink()
    inferencer = ImageTextInferencer(work, device='cpu')
    paths = images(tmp_path / 'images', 20)
    hits = inferencer.search(['a red cat'], paths, k=3)
    assert len(hits[0]) == 3
    cosines = inferencer.embed_texts(['a red cat']) @ inferencer.embed_images(paths).t()
    assert [hit.index for hit in hits[0]] == cosines[0].topk(3).indices.tolist()


def test_the_configuration_decays_weights_alone(own, monkeypatch):
    from sacl_mm.engine.optimizers import TrainableOnlyConstructor
    from sacl_mm.registry import MODELS

    for name, value in own.items():
        monkeypatch.setenv(name, value)
    cfg = Config.fromfile(ROOT / 'configs/own/clip.py')
    model = MODELS.build(dict(cfg.model, _scope_='sacl_mm'))
    options = {key: value for key, value in cfg.optim_wrapper.items() if key not in ('constructor', 'paramwise_cfg')}
    wrapper = TrainableOnlyConstructor(options, cfg.optim_wrapper.paramwise_cfg)(model)
    decay = {id(w): group['weight_decay'] for group in wrapper.optimizer.param_groups for w in group['params']}
    for name, weight in model.named_parameters():
        if weight.requires_grad and (name.endswith('.bias') or 'norm' in name or 'log_temperature' in name):
            assert decay[id(weight)] == 0, name
    assert decay[id(model.towers.model.visual_projection.weight)] == pytest.approx(0.2)
    assert torch.isfinite(model.contrastive_loss.temperature)
