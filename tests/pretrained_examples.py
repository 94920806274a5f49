"""Tiny models with random weights, whole as the hub has them: architecture, weights, tokenizer, preparation of images."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import (
    AutoModel,
    AutoProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

TEXTS = ['a red cat', 'two small dogs on a hill', 'one, two, three!', 'a', 'a cat']
_WIDTH = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
_MEAN, _STD = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]


def images(folder: Path, number: int = 5) -> list[str]:
    """Files of several sizes."""
    random = np.random.default_rng(0)
    paths = [str(folder / f'{i}.png') for i in range(number)]
    for i, path in enumerate(paths):
        Image.fromarray(random.integers(0, 255, (40 + 7 * i, 90 - 9 * (i % 5), 3), np.uint8)).save(path)
    return paths


def _spread(model: torch.nn.Module) -> None:
    """So that features differ and nothing hangs on rounding."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.2)


def clip(folder: Path, eos: int | None = None) -> str:
    """A CLIPModel. `eos` 2 is what OpenAI's own config.json says (wrongly), by which transformers pools in another way."""
    characters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256))]
    characters += [chr(256 + n) for n in range(256 - len(characters))]
    words = [*characters, *(f'{one}</w>' for one in characters), '<|startoftext|>', '<|endoftext|>']
    vision, text = dict(_WIDTH, image_size=32, patch_size=8), dict(_WIDTH, vocab_size=len(words))
    text |= dict(eos_token_id=len(words) - 1 if eos is None else eos, bos_token_id=len(words) - 2)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    _spread(model)
    with torch.no_grad():
        model.logit_scale.fill_(np.log(50))
    model.save_pretrained(folder)
    size = dict(height=32, width=32)
    CLIPImageProcessor(size=dict(shortest_edge=32), crop_size=size, image_mean=_MEAN).save_pretrained(folder)
    (folder / 'vocab.json').write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / 'merges.txt').write_text('#version: 0.2\n')
    special = dict(bos_token='<|startoftext|>', eos_token='<|endoftext|>', pad_token='<|endoftext|>')
    special |= dict(unk_token='<|endoftext|>', tokenizer_class='CLIPTokenizer', model_max_length=77)
    (folder / 'tokenizer_config.json').write_text(json.dumps(special))
    return str(folder)


def siglip(folder: Path, pad: int = 1) -> str:
    """A SiglipModel: it pools the last of 64 tokens, without a mask."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = sorted({word for text in TEXTS for word in text.replace(',', ' ').replace('!', ' ').split()})
    special = ['<pad>', '</s>'] if pad == 0 else ['</s>', '<pad>']
    vocab = {word: number for number, word in enumerate([*special, '<unk>', *words])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token='<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing('$A </s>', special_tokens=[('</s>', vocab['</s>'])])
    marks = dict(pad_token='<pad>', eos_token='</s>', unk_token='<unk>')
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **marks).save_pretrained(folder)
    vision, text = dict(_WIDTH, image_size=32, patch_size=8), dict(_WIDTH, vocab_size=len(vocab), pad_token_id=1)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    _spread(model)
    model.save_pretrained(folder)
    SiglipImageProcessor(size=dict(height=32, width=32)).save_pretrained(folder)
    return str(folder)


def open_clip(folder: Path, custom: bool = False) -> str:
    """A CLIP of open_clip with its own tokenizer; `custom`: its SigLIP, without a causal mask."""
    from open_clip import create_model
    from safetensors.torch import save_file

    text = dict(context_length=20, vocab_size=49408, width=32, heads=2, layers=2)
    cfg = dict(embed_dim=16, vision_cfg=dict(image_size=32, layers=2, width=64, patch_size=8), text_cfg=text)
    if custom:
        text |= dict(no_causal_mask=True, pool_type='last')
        cfg |= dict(custom_text=True, init_logit_bias=-10)
    described = dict(model_cfg=cfg, preprocess_cfg=dict(mean=_MEAN, std=_STD, interpolation='bilinear'))
    (folder / 'open_clip_config.json').write_text(json.dumps(described))
    model = create_model(f'local-dir:{folder}')
    _spread(model)
    save_file(model.state_dict(), folder / 'open_clip_model.safetensors')
    return f'open_clip:local-dir:{folder}'


KINDS = dict(
    clip=clip,
    openai_clip=lambda folder: clip(folder, eos=2),
    siglip=siglip,
    siglip2=lambda folder: siglip(folder, pad=0),
    open_clip=open_clip,
    open_clip_siglip=lambda folder: open_clip(folder, custom=True),
)


@torch.no_grad()
def expected(pretrained: str, paths: list[str], texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of unit length as the library's own users compute them."""
    opened = [Image.open(path) for path in paths]
    if pretrained.startswith('open_clip:'):
        import open_clip

        name = pretrained.removeprefix('open_clip:')
        model, _, prepare = open_clip.create_model_and_transforms(name)
        model.eval()
        image = model.encode_image(torch.stack([prepare(one) for one in opened]))
        text = model.encode_text(open_clip.get_tokenizer(name)(texts))
        return F.normalize(image, dim=-1), F.normalize(text, dim=-1)
    model, process = AutoModel.from_pretrained(pretrained).eval(), AutoProcessor.from_pretrained(pretrained)
    padding = dict(padding='max_length', max_length=64) if model.config.model_type == 'siglip' else dict(padding=True)
    process_text = getattr(process, 'tokenizer', process)
    inputs = process_text(texts, return_tensors='pt', truncation=True, **padding)
    if model.config.model_type == 'siglip':
        inputs = dict(input_ids=inputs['input_ids'])
    pixels = getattr(process, 'image_processor', process)(images=opened, return_tensors='pt')
    image, text = model.get_image_features(**pixels), model.get_text_features(**inputs)
    image, text = (one if isinstance(one, torch.Tensor) else one.pooler_output for one in (image, text))
    return F.normalize(image, dim=-1), F.normalize(text, dim=-1)
