"""Configurations of benchmarks that know false negatives, run by tools/test.py on small files with small models."""

import itertools
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from coco_benchmark import karpathy, small_benchmark
from command_line import tool
from mmengine.config import Config
from mmengine.registry import DefaultScope
from test_configs import shrink

from sacl_mm.registry import MODELS

ROOT = Path(__file__).parents[2]
WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'caption', 'dog', 'its', 's', "'", *map(str, range(100))]


@pytest.fixture
def bert(tmp_path):
    from transformers import BertConfig, BertModel

    shape = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128)
    BertModel(BertConfig(vocab_size=len(WORDS), **shape), add_pooling_layer=False).save_pretrained(tmp_path / 'bert')
    (tmp_path / 'bert' / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
    return str(tmp_path / 'bert')


def write_images(folder, names):
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(folder / name), random.integers(0, 255, (60, 80, 3), np.uint8))


def small_test(folder, name, env, monkeypatch, change):
    """A configuration that inherits from `configs/NAME.py`, with a small model, and a checkpoint of random weights."""
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    shrink(cfg.model)
    change(cfg)
    cfg.test_dataloader.num_workers = 0
    cfg.dump(folder / 'small.py')
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=1)), folder / 'small.pth')
    return folder / 'small.py', folder / 'small.pth', '--work-dir', folder / 'work'


# -------------------------------------------------------------------------------------------------------------- COCO
def coco(tmp_path, bert, monkeypatch, name, captions_of):
    content = karpathy(captions_of)
    (tmp_path / 'data').mkdir()
    write_images(tmp_path / 'data/coco/val2014', [entry['filename'] for entry in content['images'][1:]])
    (tmp_path / 'data/coco/dataset_coco.json').write_text(json.dumps(content))

    def change(cfg):
        cfg.test_dataloader.dataset.pipeline[1].scale = (32, 32)
        cfg.model.towers.vision_backbone.img_size = 32
        cfg.model.towers.vision_backbone.pop('init_cfg', None)
        for part in (cfg.model.data_preprocessor, cfg.model.towers.text_backbone):
            part.vocab_size = len(WORDS)
        for part in (cfg.model.towers.text_backbone, cfg.model.multimodal_backbone):
            part.checkpoint = None

    env = dict(DATA=f'{tmp_path}/data', BERT=bert)
    return small_test(tmp_path, f'sacl/{name}', env, monkeypatch, change)


@pytest.mark.parametrize('name', ['retrieval_coco', 'zeroshot_coco'])
def test_coco_without_the_package_ends_before_the_test_in_one_line(tmp_path, bert, monkeypatch, name):
    captions_of = {image: [10 * image + k for k in range(5)] for image in range(1, 4)}
    arguments = coco(tmp_path, bert, monkeypatch, name, captions_of)
    monkeypatch.setitem(sys.modules, 'eccv_caption', None)
    done = tool('test.py', *arguments, check=False)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert len(errors) == 1
    assert errors[0].endswith('pip install -e .[eccv], or leave it out of test_evaluator')
    assert 'Traceback' not in done.stderr
    assert 're-ranking' not in done.stdout


def test_coco_with_missing_matches_is_measured(tmp_path, bert, monkeypatch):
    package = pytest.importorskip('eccv_caption')
    benchmark = small_benchmark()
    arguments = coco(tmp_path, bert, monkeypatch, 'zeroshot_coco', benchmark.coco_gts['i2t'])
    monkeypatch.setattr(package, 'Metrics', lambda: benchmark)
    done = tool('test.py', *arguments, '--out', tmp_path / 'out.json', '--out-item', 'metrics')
    assert 'retrieval among 60 images x 300 texts' in done.stdout
    assert 'COCO with missing matches, 60 images x 300 texts; protocol: contrastive top-256' in done.stdout
    metrics = json.loads((tmp_path / 'out.json').read_text())
    assert {'eccv/TR/mAP@R', 'eccv/IR/R-Precision', 'eccv/CxC/TR/R@5', 'eccv/COCO_1K/IR/R@1'} <= set(metrics)
    for direction, k in itertools.product(('TR', 'IR'), (1, 5, 10)):
        assert metrics[f'eccv/COCO_5K/{direction}/R@{k}'] == pytest.approx(metrics[f'retrieval/{direction}/R@{k}'])
    assert 'it/s' not in done.stderr


# ---------------------------------------------------------------------------------------------------------- Flickr8k
def flickr8k(folder, splits):
    """The files of Flickr8k with 8 images each in train, dev and test; judgements are of the test images."""
    write_images(folder / 'images', [name for names in splits.values() for name in names])
    captions = [
        f'{name}#{k}\ta dog {i} {k}'
        for i, name in enumerate(itertools.chain.from_iterable(splits.values()))
        for k in range(5)
    ]
    (folder / 'Flickr8k.token.txt').write_text('\n'.join(captions) + '\n')
    for split, names in splits.items():
        (folder / f'Flickr_8k.{split}Images.txt').write_text('\n'.join(names) + '\n')
    pairs = list(itertools.product(splits['test'], splits['test']))
    random = np.random.default_rng(0)
    with (
        (folder / 'ExpertAnnotations.txt').open('w') as expert,
        (folder / 'CrowdFlowerAnnotations.txt').open('w') as crowd,
    ):
        for image, owner in pairs:
            first, second, third = random.integers(1, 5, 3)
            yes = random.integers(4)
            expert.write(f'{image}\t{owner}#{random.integers(5)}\t{first}\t{second}\t{third}\n')
            crowd.write(f'{image}\t{owner}#{random.integers(5)}\t{yes / 3:.12g}\t{yes}\t{3 - yes}\n')


SPLITS = {
    split: [f'{1000 + 100 * i + n}_{n:010x}.jpg' for n in range(8)] for i, split in enumerate(('train', 'dev', 'test'))
}


def small_frozen(cfg):
    """A ResNet-18 and a BERT of one layer."""
    cfg.test_dataloader.dataset.pipeline[1].scale = (64, 64)
    cfg.model.data_preprocessor.vocab_size = len(WORDS)
    cfg.model.towers.image_dims, cfg.model.towers.text_dims = 256 + 512 + 512, 32
    cfg.model.towers.image_encoder.update(depth=18, init_cfg=None)
    cfg.model.towers.text_encoder.update(vocab_size=len(WORDS), width=32, num_layers=1, num_heads=2, checkpoint=None)


def small_retrieval(cfg):
    cfg.model.towers.neck.in_channels = 6
    for part in (cfg.model.data_preprocessor, cfg.model.towers.text_backbone):
        part.vocab_size = len(WORDS)
    for part in (cfg.model.towers.text_backbone, cfg.model.multimodal_backbone):
        part.checkpoint = None


@pytest.mark.parametrize(('name', 'change'), [('frozen_test', small_frozen), ('retrieval_test', small_retrieval)])
def test_flickr8k_is_measured_by_human_judgements(tmp_path, bert, monkeypatch, name, change):
    flickr8k(tmp_path / 'flickr8k', SPLITS)
    (tmp_path / 'grids').mkdir()
    for image in SPLITS['test']:
        grid = np.random.default_rng(int(image[:4])).random((9, 9, 6)).astype(np.float16)
        np.save(tmp_path / 'grids' / image.replace('.jpg', '.npy'), grid)
    env = dict(
        FLICKR8K=f'{tmp_path}/flickr8k', GRIDS=f'{tmp_path}/grids', MINILM=bert, RESNET50='none', CONTRAST='none'
    )
    arguments = small_test(tmp_path, f'flickr8k/{name}', env, monkeypatch, change)
    done = tool('test.py', *arguments, '--out', tmp_path / 'out.json', '--out-item', 'metrics')
    assert 'retrieval among 8 images x 40 texts' in done.stdout
    assert done.stdout.count('64 of 64 judged pairs are of images in this set') == 2
    metrics = json.loads((tmp_path / 'out.json').read_text())
    judged = {'expert/tau_c', 'expert/AUC', 'expert/IR/percentile', 'crowdflower/tau_b', 'crowdflower/TR/percentile'}
    assert {f'flickr8k/{measure}' for measure in judged} | {'retrieval/R@mean', 'consensus/NCS@mean'} <= set(metrics)
