"""A few images with captions, and a configuration like configs/own/small.py with tiny encoders, for the tests of own data."""

from pathlib import Path

import cv2
import numpy as np
import torch
from command_line import ROOT
from transformers import BertConfig, BertModel

from sacl_mm.registry import MODELS

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'dark', 'bright', 'image', 'a']
_CONFIG = """
_base_ = ['{root}/configs/own/small.py']

minilm = '{bert}'
pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=(32, 32)),
    dict(type='TokenizeText', tokenizer=dict(type='WordPieceTokenizer', pretrained=minilm), max_length=8),
    dict(type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids'], meta_keys=['img_path', 'text']),
]
feature_cache = '{folder}/features'
train_dataloader = dict(num_workers=0, dataset=dict(pipeline=pipeline))
val_dataloader = dict(num_workers=0, dataset=dict(pipeline=pipeline))
test_dataloader = dict(num_workers=0, dataset=dict(pipeline=pipeline))
model = dict(
    data_preprocessor=dict(vocab_size={words}),
    towers=dict(
        image_dims=160,
        text_dims=32,
        image_encoder=dict(
            _delete_=True, type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8, out_indices=(2, 3),
            init_cfg=dict(type='Pretrained', checkpoint='{folder}/resnet.pth'),
        ),
        text_encoder=dict(vocab_size={words}, width=32, num_layers=1, num_heads=2, checkpoint=minilm),
    ),
)
"""


def write_images(folder: Path, count: int) -> None:
    """Every other image is bright."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        image = cv2.resize(random.normal(200 if number % 2 else 40, 40, (5, 7, 3)), (48, 40)).clip(0, 255)
        cv2.imwrite(str(folder / f'{number}.jpg'), image.astype(np.uint8))


def write_own_data(folder: Path, count: int = 40, captions: int = 1) -> Path:
    """Images and a caption file beside them."""
    write_images(folder, count)
    kinds = [('bright' if n % 2 else 'dark') for n in range(count)]
    rows = [f'{n}.jpg;"a {kind} image{"." * k}"' for n, kind in enumerate(kinds) for k in range(captions)]
    (folder / 'captions.csv').write_text('﻿image;caption\n' + '\n'.join(rows) + '\n', encoding='utf-8')
    return folder / 'captions.csv'


def write_config(folder: Path) -> Path:
    """Tiny frozen encoders, with weights of files."""
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder / 'bert')
    (folder / 'bert/vocab.txt').write_text('\n'.join(WORDS) + '\n')
    resnet = MODELS.build(
        dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8, out_indices=(2, 3))
    )
    torch.save(resnet.state_dict(), folder / 'resnet.pth')
    (folder / 'own.py').write_text(_CONFIG.format(root=ROOT, bert=folder / 'bert', folder=folder, words=len(WORDS)))
    return folder / 'own.py'
