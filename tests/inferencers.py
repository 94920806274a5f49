"""Saved models with random weights, and what the inferencer is compared with."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from tiny import PIPELINE, TOWERS, model_config

from sacl_mm.datasets import ShapeWorld
from sacl_mm.inference import ImageTextInferencer
from sacl_mm.registry import MODELS

IMAGES, CAPTIONS, WORDS = 6, 2, 120
WORLD = dict(type='ShapeWorld', num_images=IMAGES, image_size=32, captions_per_image=CAPTIONS, test_mode=True)
TOKENIZER = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))
TOKENIZE = dict(type='sacl_mm.TokenizeText', tokenizer=TOKENIZER, max_length=40)
FILES = [
    dict(type='LoadImageFromFile'),
    dict(type='mmpretrain.Resize', scale=(32, 32), interpolation='bicubic', backend='pillow'),
    dict(type='mmpretrain.CleanCaption', keys='text', remove_chars=',.!?'),
]


def model_of(kind: str, backbone: dict = TOWERS['vision_backbone']) -> dict:
    """The model's configuration."""
    config = model_config(type=kind, towers=dict(TOWERS, vision_backbone=backbone))
    for key in ('masked_language_head', 'mask_token') if kind != 'SACLPretrain' else ():
        del config[key]
    if kind == 'DualEncoder':
        del config['multimodal_backbone'], config['matching_head'], config['queue_size']
    if kind in ('VisualQuestionAnswering', 'ImagePairReasoning'):
        towers = dict(TOWERS, embed_dims=None, text_backbone=dict(TOWERS['text_backbone'], vocab_size=WORDS))
        config = dict(
            type=kind, towers=towers, multimodal_backbone=config['multimodal_backbone'],
            data_preprocessor=dict(config['data_preprocessor'], vocab_size=WORDS),
        )  # fmt: skip
    if kind == 'VisualQuestionAnswering':
        decoder = dict(type='AnswerDecoder', vocab_size=WORDS, width=32, num_layers=1, num_heads=2)
        config |= dict(answer_decoder=decoder, answers=dict(type='shape_world_answers'), tokenizer=TOKENIZER)
    if kind == 'ImagePairReasoning':
        config['multimodal_backbone'] = dict(config['multimodal_backbone'], type='PairedFusionEncoder')
    return config


def saved(folder: Path, kind: str, dataset: dict | None = None, backbone: dict = TOWERS['vision_backbone'], **settings):
    """Configuration file, checkpoint file and the model itself, with random weights."""
    cfg = Config(
        dict(
            default_scope='sacl_mm',
            model=model_of(kind, backbone),
            test_dataloader=dict(dataset=dataset or dict(WORLD, pipeline=PIPELINE)),
            **settings,
        )
    )
    path = folder / f'{kind}.py'
    cfg.dump(path)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():  # spread what the model says, so that nothing hangs on rounding
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=1)), folder / f'{kind}.pth')
    return path, folder / f'{kind}.pth', model


def load(folder: Path, kind: str, batch_size: int = 4, **options):
    config, checkpoint, model = saved(folder, kind, **options)
    return ImageTextInferencer(config, checkpoint, device='cpu', batch_size=batch_size), model


def arrays() -> list[np.ndarray]:
    return [sample['img'] for sample in ShapeWorld(**{k: v for k, v in WORLD.items() if k != 'type'})]


def write(folder: Path, images: list[np.ndarray]) -> list[str]:
    paths = [str(folder / f'{number}.png') for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(path, image)
    return paths


def captions() -> list[str]:
    world = ShapeWorld(**{k: v for k, v in WORLD.items() if k != 'type'})
    return [text for sample in world for text in sample['text']]


@torch.no_grad()
def encoded(model):
    """The test set as the data loader gives it, and both towers' outputs."""
    world = ShapeWorld(**{k: v for k, v in WORLD.items() if k != 'type'}, pipeline=PIPELINE)
    batch = model.data_preprocessor(pseudo_collate(list(world)), False)
    return batch, *model.extract_feat(batch)


@torch.no_grad()
def plain_logits(model) -> torch.Tensor:
    """(N, T, 2), each pair fused alone."""
    batch, image, text = encoded(model)
    logits = torch.empty(len(image.feature), len(text.feature), 2)
    for n in range(logits.shape[0]):
        one = image.rows(slice(n, n + 1))
        for t in range(logits.shape[1]):
            length = int(batch['text_mask'][t].sum())
            tokens, mask = text.tokens[t : t + 1, :length], batch['text_mask'][t : t + 1, :length]
            keys_values = model.multimodal_backbone.project(one.tokens, one.sizes)
            logits[n, t] = model.matching_logits(keys_values, tokens, mask, torch.tensor([0]))[0]
    return logits


# ------------------------------------------------------------------------------------------------ features
