"""Every configuration: loads, passes the check, builds (with a smaller model), and keeps training and validation apart."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import tool
from mmengine.config import Config
from mmengine.registry import DefaultScope

from sacl_mm.engine.checks.config_check import check_config
from sacl_mm.engine.launch import default_work_dir
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError

ROOT = Path(__file__).parents[2]
FOLDERS = ('sacl', 'shape_world', 'flickr8k', 'daquar')
CONFIGS = sorted(path for folder in FOLDERS for path in (ROOT / 'configs' / folder).glob('*.py'))
TO_TRAIN = [path for path in CONFIGS if path.stem not in ('features', 'grids', 'vit_tokens')]  # the others cache
SMALL_VIT = dict(embed_dims=32, num_layers=1, num_heads=2, feedforward_channels=32)


def shrink(model) -> None:
    """Width 32 and one layer each; what is tested is that the parts fit together."""
    if model.type == 'mmpretrain.ImageClassifier':
        return
    towers = model.towers
    if towers.type == 'FeatureTowers':
        return
    vit = towers.vision_backbone is not None and towers.vision_backbone.type.endswith('VisionTransformer')
    if vit and isinstance(towers.vision_backbone.arch, str):  # a named one is large
        towers.vision_backbone.arch = SMALL_VIT
        towers.neck.in_channels = 32
    if towers.vision_backbone is not None and towers.vision_backbone.type.endswith('ResNet'):
        towers.vision_backbone.update(depth=18, stem_channels=8, base_channels=8)
        towers.neck.update(in_channels=64, out_channels=32)
    width = towers.neck.get('out_channels') or towers.neck.in_channels
    for part in (towers.text_backbone, model.get('multimodal_backbone'), model.get('answer_decoder')):
        if part is not None:
            part.update(width=32, num_layers=1, num_heads=2)
    if 'multimodal_backbone' in model:
        model.multimodal_backbone.image_width = width
    for head in ('matching_head', 'masked_language_head'):
        if head in model:
            model[head].width = 32
    if 'queue_size' in model:
        model.queue_size = min(model.queue_size, 16)
    if 'answers' in model:
        model.answers = ['yes', 'no']
        model.tokenizer = dict(type='WordPieceTokenizer', vocab=['yes', 'no'])


def named(path):
    return f'{path.parent.name}/{path.stem}'


@pytest.mark.parametrize('path', TO_TRAIN, ids=named)
def test_config_builds(path):
    cfg = Config.fromfile(path)
    check_config(cfg)
    assert cfg.default_scope == 'sacl_mm'
    shrink(cfg.model)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        model = MODELS.build(cfg.model)
    assert sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad) > 0
    # What is measured is not what is trained on (the server's test split; validation of VQAv2 is on what it trains on).
    measured = [cfg.test_dataloader] if named(path) == 'sacl/vqa' else [cfg.val_dataloader, cfg.test_dataloader]
    measured = [loader.dataset for loader in measured if loader is not None]
    assert measured or path.stem.endswith('nlvr2_pretrain')
    apart = ('ann_file', 'split', 'split_file', 'start')
    for dataset in measured:
        assert dataset.get('test_mode') or dataset.type == 'CachedFeatures'
        if cfg.train_dataloader is not None:
            train = cfg.train_dataloader.dataset
            assert [train.get(key) for key in apart] != [dataset.get(key) for key in apart]


@pytest.mark.parametrize('name', ['retrieval_coco', 'retrieval_flickr30k', 'nlvr2', 'vqa'])
def test_the_final_measure_is_on_the_test_split(name):
    cfg = Config.fromfile(ROOT / f'configs/sacl/{name}.py')
    train, val, test = (cfg[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test'))
    splits = [(dataset.get('ann_file'), dataset.get('split')) for dataset in (train, val, test)]
    assert len({str(split) for split in splits}) == 3
    assert 'test' in str(splits[2])


@pytest.mark.parametrize(
    ('ours', 'twin'),
    [
        ('sacl/pretrain', 'sacl/pretrain_infonce'),
        ('shape_world/sacl', 'shape_world/infonce'),
        ('shape_world/pretrain', 'shape_world/pretrain_infonce'),
        ('flickr8k/pretrain', 'flickr8k/pretrain_infonce'),
        ('flickr8k/frozen', 'flickr8k/frozen_infonce'),
    ],
)
def test_the_infonce_twin_differs_in_the_policy_alone(ours, twin):
    ours, twin = (Config.fromfile(ROOT / f'configs/{name}.py').to_dict() for name in (ours, twin))
    for cfg in (ours, twin):
        policy = cfg['model']['contrastive_loss'].pop('policy')
        weights = policy.get('base_policy', policy)
        assert weights['type'] == ('SimilarityRegulation' if cfg is ours else 'InfoNCE')
        cfg['model'].pop('reference_checkpoint', None)
    assert ours['model'] == twin['model']
    for key in ('train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert ours[key] == twin[key]


def test_work_dirs_follow_the_folders_of_the_configurations(tmp_path):
    assert default_work_dir('configs/shape_world/full.py') == 'work_dirs/shape_world/full'
    assert default_work_dir(f'{ROOT}/configs/sacl/pretrain.py') == 'work_dirs/sacl/pretrain'
    assert default_work_dir(str(tmp_path / 'mine.py')) == 'work_dirs/mine'


@pytest.mark.parametrize('path', CONFIGS, ids=named)
def test_a_training_starts_from_what_another_one_leaves(path):
    """Every checkpoint under work_dirs/ that a configuration names is the last one of a configuration that exists."""
    for folder, name, epoch in re.findall(r'work_dirs/(\w+)/(\w+)/epoch_(\d+)\.pth', path.read_text()):
        assert Config.fromfile(ROOT / f'configs/{folder}/{name}.py').train_cfg.max_epochs == int(epoch)


def test_misspelt_keys_are_found():
    with pytest.raises(UserError, match="'train_dataloder'.*did you mean 'train_dataloader'"):
        check_config(Config(dict(train_dataloder={})))
    with pytest.raises(UserError, match="'train_dataloder'.*did you mean 'train_dataloader'"):
        check_config(Config(dict(train_dataloader=dict(batch_size=8), train_dataloder=dict(batch_size=3))))  # inherited
    check_config(Config(dict(image_size=256, train_cfg={})))  # a name of one's own is fine
    with pytest.raises(UserError, match="train_dataloader has 'batchsize'.*did you mean 'batch_size'"):
        check_config(Config(dict(train_dataloader=dict(batchsize=8))))
    with pytest.raises(UserError, match="randomness has 'sed'.*did you mean 'seed'"):
        check_config(Config(dict(randomness=dict(sed=8))))
    cfg = Config.fromfile(ROOT / 'configs/shape_world/sacl.py')
    check_config(
        cfg,
        {
            'model.contrastive_loss.policy.similarity_temperature': 0.2,
            'train_dataloader.dataset.pipeline.1.max_length': 9,
        },
    )
    with pytest.raises(UserError, match="list of 3, it has no '7'"):
        check_config(cfg, {'train_dataloader.dataset.pipeline.7.max_length': 9})
    with pytest.raises(UserError, match="did you mean 'contrastive_loss'"):
        check_config(cfg, {'model.contrastiv_loss.temperature': 0.1})
    with pytest.raises(
        UserError, match="policy' has no 'simlarity_temperature'; did you mean 'similarity_temperature'"
    ):
        check_config(cfg, {'model.contrastive_loss.policy.simlarity_temperature': 0.1})
    check_config(cfg, {'model.contrastive_loss.policy.cap': 1.0})  # a default that the configuration leaves out


@pytest.fixture
def small_files(tmp_path):
    """Eight generated images, ALBEF-style lists, a COCO captions file, a BERT with its vocabulary."""
    from transformers import BertConfig, BertModel

    random = np.random.default_rng(0)
    (tmp_path / 'coco/val2017').mkdir(parents=True)
    (tmp_path / 'coco/annotations').mkdir()
    (tmp_path / 'pretrain').mkdir()
    names = [f'coco/val2017/{i}.jpg' for i in range(8)]
    for name in names:
        cv2.imwrite(str(tmp_path / name), random.integers(0, 255, (60, 80, 3), np.uint8))
    for number, part in enumerate(('coco', 'vg', 'cc3m', 'sbu')):
        items = [dict(image=name, caption=['a red cat', 'one cat'][: 1 + i % 2]) for i, name in enumerate(names)]
        (tmp_path / f'pretrain/{part}.json').write_text(json.dumps(items[2 * number : 2 * number + 2]))
    coco = dict(
        images=[dict(id=i, file_name=f'{i}.jpg', height=60, width=80) for i in range(8)],
        annotations=[dict(id=10 * i + k, image_id=i, caption=f'a cat number {k}') for i in range(8) for k in range(5)],
    )
    (tmp_path / 'coco/annotations/captions_val2017.json').write_text(json.dumps(coco))
    words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'red', 'cat', 'one', 'number', *map(str, range(10))]
    bert = tmp_path / 'bert'
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(bert)
    (bert / 'vocab.txt').write_text('\n'.join(words) + '\n')
    return tmp_path, len(words)


@pytest.mark.parametrize('name', ['pretrain', 'pretrain_light'])
def test_the_papers_recipe_trains_on_small_files(small_files, name):
    """Two iterations of a recipe and validation, from files alone, with a narrower and shallower model."""
    folder, words = small_files
    vit = {f'model.towers.vision_backbone.arch.{key}': value for key, value in SMALL_VIT.items()}
    options = vit | {
        'model.towers.vision_backbone.init_cfg': None,
        'model.towers.neck.in_channels': 32,
        'model.towers.text_backbone.width': 32,
        'model.towers.text_backbone.num_layers': 1,
        'model.towers.text_backbone.num_heads': 2,
        'model.towers.text_backbone.vocab_size': words,
        'model.multimodal_backbone.width': 32,
        'model.multimodal_backbone.image_width': 32,
        'model.multimodal_backbone.num_layers': 1,
        'model.multimodal_backbone.num_heads': 2,
        'model.multimodal_backbone.first_bert_layer': 1,
        'model.matching_head.width': 32,
        'model.masked_language_head.width': 32,
        'model.masked_language_head.vocab_size': words,
        'model.data_preprocessor.vocab_size': words,
        'model.mask_token': 4,
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'val_dataloader.num_workers': 0,
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
    }
    if name == 'pretrain':
        options |= {
            'model.queue_size': 16,
            'model.contrastive_loss.policy.base_policy.alpha': 0.0,
            'model.reference_checkpoint': None,
        }
    shallow = '' if name == 'pretrain' else 'reduction_layers=(1,), '
    # The architecture's name has to give way to a description of it before single values can be set.
    config = folder / 'small.py'
    config.write_text(
        f"_base_ = ['{ROOT}/configs/sacl/{name}.py']\n"
        f'model = dict(towers=dict(vision_backbone=dict({shallow}arch=dict(_delete_=True, **{SMALL_VIT}), init_cfg=None)))\n'
    )
    options = {key: value for key, value in options.items() if '.vision_backbone.' not in key}
    done = tool(
        'train.py',
        config,
        '--work-dir',
        folder / 'work',
        options=[f'{key}={value}' for key, value in options.items()],
        env=dict(DATA=f'{folder}/', BERT=str(folder / 'bert')),
    )
    assert 'Epoch(train) [1][2/2]' in done.stdout
    assert 'retrieval among 8 images x 40 texts' in done.stdout
    assert 'consensus of captions on 8 images x 40 texts' in done.stdout
