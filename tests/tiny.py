"""A model of the full shape, small enough for tests, and batches of the embedded world for it."""

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from sacl_mm.datasets import ShapeWorld
from sacl_mm.registry import MODELS

VOCAB = 89

TOWERS = dict(
    type='TwoTower',
    vision_backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64),
        img_size=32,
        patch_size=8,
        out_type='raw',
    ),
    neck=dict(type='ImageTokenNeck', in_channels=32),
    text_backbone=dict(
        type='BertTextEncoder', vocab_size=VOCAB, width=32, num_layers=2, num_heads=2, max_length=40, dropout=0.0
    ),
    embed_dims=16,
)
# In the place of that backbone: a quarter of the tokens go into others.
MERGING = dict(
    TOWERS['vision_backbone'], type='TokenReducedViT', guide='similarity', reduction_layers=(1,), keep_rate=0.75
)


def model_config(**changes) -> dict:
    config = dict(
        type='SACLPretrain',
        data_preprocessor=dict(
            type='ImageTextPreprocessor', vocab_size=VOCAB, mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True
        ),
        towers=TOWERS,
        contrastive_loss=dict(type='SACLContrastiveLoss', policy=dict(type='SimilarityRegulation')),
        multimodal_backbone=dict(
            type='FusionEncoder', width=32, image_width=32, num_layers=2, num_heads=2, dropout=0.0
        ),
        matching_head=dict(type='MatchingHead', width=32),
        masked_language_head=dict(type='MaskedLanguageHead', width=32, vocab_size=VOCAB),
        mask_token=4,
        queue_size=0,
    )
    return Config(config | changes)._cfg_dict.to_dict()


def build(seed: int = 0, **changes):
    torch.manual_seed(seed)
    return MODELS.build(model_config(**changes))


PIPELINE = [
    dict(
        type='sacl_mm.TokenizeText',
        tokenizer=dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary')),
        max_length=30,
    ),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=['token_ids', 'image_id', 'text_ids'],
        meta_keys=['img_path', 'text'],
    ),
]


def world(count: int = 8, start: int = 0, captions: int = 1, **options) -> ShapeWorld:
    return ShapeWorld(
        num_images=count, image_size=32, captions_per_image=captions, start=start, pipeline=PIPELINE, **options
    )


def batch(model, count: int = 8, start: int = 0, captions: int = 1) -> dict:
    samples = list(world(count, start, captions))
    return model.data_preprocessor(pseudo_collate(samples), training=True)
