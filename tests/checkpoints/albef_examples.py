"""State dicts with the names and shapes of ALBEF's (written down from its models), and our models for them, both small."""

import torch
from torch import Tensor, nn

from sacl_mm.registry import MODELS

C, F, VOCAB, POSITIONS, EMBED, PATCH, QUEUE = 32, 128, 50, 20, 16, 8, 6
IMAGE_LAYERS = TEXT_LAYERS = FUSION_LAYERS = DECODER_LAYERS = 2
TASKS = ('pretrain', 'retrieval', 'vqa', 'nlvr2', 'text_assignment')
# Where the fusion layers begin, whose cross-attention each two share.
SHARED = ('crossattention.self.key', 'crossattention.self.value')


def linear(name: str, outputs: int, inputs: int) -> dict:
    return {f'{name}.weight': (outputs, inputs), f'{name}.bias': (outputs,)}


def norm(name: str) -> dict:
    return {f'{name}.weight': (C,), f'{name}.bias': (C,)}


def visual_encoder(name: str, grid: int) -> dict:
    shapes = {f'{name}.cls_token': (1, 1, C), f'{name}.pos_embed': (1, grid * grid + 1, C)}
    shapes |= {f'{name}.patch_embed.proj.weight': (C, 3, PATCH, PATCH), f'{name}.patch_embed.proj.bias': (C,)}
    for i in range(IMAGE_LAYERS):
        block = f'{name}.blocks.{i}'
        shapes |= norm(f'{block}.norm1') | linear(f'{block}.attn.qkv', 3 * C, C) | linear(f'{block}.attn.proj', C, C)
        shapes |= norm(f'{block}.norm2') | linear(f'{block}.mlp.fc1', F, C) | linear(f'{block}.mlp.fc2', C, F)
    return shapes | norm(f'{name}.norm')


def attention(name: str) -> dict:
    shapes = {}
    for part in ('self.query', 'self.key', 'self.value', 'output.dense'):
        shapes |= linear(f'{name}.{part}', C, C)
    return shapes | norm(f'{name}.output.LayerNorm')


def bert(name: str, layers: int, first_fusing: int) -> dict:
    shapes = {
        f'{name}.embeddings.position_ids': (1, POSITIONS),
        f'{name}.embeddings.word_embeddings.weight': (VOCAB, C),
        f'{name}.embeddings.position_embeddings.weight': (POSITIONS, C),
        f'{name}.embeddings.token_type_embeddings.weight': (2, C),
    } | norm(f'{name}.embeddings.LayerNorm')
    for i in range(layers):
        layer = f'{name}.encoder.layer.{i}'
        shapes |= attention(f'{layer}.attention')
        if i >= first_fusing:
            shapes |= attention(f'{layer}.crossattention')
        shapes |= linear(f'{layer}.intermediate.dense', F, C) | linear(f'{layer}.output.dense', C, F)
        shapes |= norm(f'{layer}.output.LayerNorm')
    return shapes


def predictions(name: str) -> dict:
    shapes = {f'{name}.bias': (VOCAB,), f'{name}.decoder.weight': (VOCAB, C), f'{name}.decoder.bias': (VOCAB,)}
    return shapes | linear(f'{name}.transform.dense', C, C) | norm(f'{name}.transform.LayerNorm')


def model(task: str, end: str, grid: int) -> dict:
    """Everything that has a momentum model (`end` = '_m') in some task."""
    fusion_layers = 2 * FUSION_LAYERS if task in ('nlvr2', 'text_assignment') else FUSION_LAYERS
    text = f'text_encoder{end}'
    shapes = visual_encoder(f'visual_encoder{end}', grid)
    shapes |= bert(f'{text}.bert' if task == 'pretrain' else text, TEXT_LAYERS + fusion_layers, TEXT_LAYERS)
    if task == 'pretrain':
        shapes |= predictions(f'{text}.cls.predictions')
    if task in ('pretrain', 'retrieval', 'text_assignment'):
        shapes |= linear(f'vision_proj{end}', EMBED, C) | linear(f'text_proj{end}', EMBED, C)
    if task == 'vqa':
        shapes |= bert(f'text_decoder{end}.bert', DECODER_LAYERS, 0) | predictions(f'text_decoder{end}.cls.predictions')
    if task == 'nlvr2':
        shapes |= linear(f'cls_head{end}.0', C, C) | linear(f'cls_head{end}.2', 2, C)
    return shapes


def albef_state(task: str, momentum: bool = True, seed: int = 0, grid: int = 2) -> dict[str, Tensor]:
    """Random, except that what ALBEF ties is tied."""
    shapes = model(task, '', grid)
    if momentum and task != 'text_assignment':
        shapes |= model(task, '_m', grid)
    if task in ('pretrain', 'retrieval'):
        shapes |= linear('itm_head', 2, C)
        shapes |= {'image_queue': (EMBED, QUEUE), 'text_queue': (EMBED, QUEUE), 'queue_ptr': (1,)}
    if task == 'retrieval':
        shapes |= {'idx_queue': (1, QUEUE)}
    if task == 'text_assignment':
        shapes |= linear('ta_head', 3, C)
    generator = torch.Generator().manual_seed(seed)
    state = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    if task in ('pretrain', 'retrieval', 'text_assignment'):
        state['temp'] = torch.tensor(0.07)
    for key in state:
        if key.endswith('cls.predictions.decoder.weight'):
            words = key.removesuffix('cls.predictions.decoder.weight') + 'bert.embeddings.word_embeddings.weight'
            state[key] = state[words].clone()
            state[key.replace('.weight', '.bias')] = state[key.replace('decoder.weight', 'bias')].clone()
        elif task in ('nlvr2', 'text_assignment') and any(f'{name}.' in key for name in SHARED):
            head, number, tail = key.replace('.layer.', '|').replace('.crossattention.', '|').split('|')
            if (int(number) - TEXT_LAYERS) % 2:
                state[key] = state[f'{head}.layer.{int(number) - 1}.crossattention.{tail}'].clone()
    return state


def our_model(task: str, grid: int = 2, **changes) -> nn.Module:
    """Our model of the task, with random weights."""
    paired = task in ('nlvr2', 'text_assignment')
    towers = dict(
        type='TwoTower',
        vision_backbone=dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(embed_dims=C, num_layers=IMAGE_LAYERS, num_heads=2, feedforward_channels=F),
            img_size=PATCH * grid,
            patch_size=PATCH,
            out_type='raw',
        ),
        neck=dict(type='ImageTokenNeck', in_channels=C),
        text_backbone=dict(
            type='BertTextEncoder', vocab_size=VOCAB, width=C, num_layers=TEXT_LAYERS, num_heads=2, max_length=POSITIONS
        ),
        embed_dims=EMBED if task in ('pretrain', 'retrieval') else None,
    )
    matching = dict(
        contrastive_loss=dict(type='SACLContrastiveLoss', policy=dict(type='InfoNCE')),
        matching_head=dict(type='MatchingHead', width=C),
    )
    language = dict(masked_language_head=dict(type='MaskedLanguageHead', width=C, vocab_size=VOCAB), mask_token=4)
    decoder = dict(
        type='AnswerDecoder', vocab_size=VOCAB, width=C, num_layers=DECODER_LAYERS, num_heads=2, max_length=POSITIONS
    )
    own = {
        'pretrain': dict(
            type='SACLPretrain', queue_size=0, momentum=dict(decay=0.9, mlm_distillation=0.4), **matching, **language
        ),
        'retrieval': dict(type='ImageTextRetrieval', momentum=dict(decay=0.9), **matching),
        'vqa': dict(
            type='VisualQuestionAnswering',
            answer_decoder=decoder,
            answers=['yes', 'no'],
            tokenizer=dict(type='WordPieceTokenizer', vocab=['yes', 'no']),
        ),
        'nlvr2': dict(type='ImagePairReasoning'),
        'text_assignment': dict(type='TextAssignment'),
    }[task]
    fusion = dict(
        type='PairedFusionEncoder' if paired else 'FusionEncoder',
        width=C,
        image_width=C,
        num_layers=FUSION_LAYERS,
        num_heads=2,
    )
    preprocessor = dict(type='ImageTextPreprocessor', vocab_size=VOCAB)
    return MODELS.build(dict(own, towers=towers, multimodal_backbone=fusion, data_preprocessor=preprocessor, **changes))
