"""ALBEF's own code, at a size of choice and with random weights in place of the hub's; our model of that size, and inputs
for both."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn

import sacl_mm.models  # noqa: F401  (registers the models)
from sacl_mm.checkpoints import albef_to_ours
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError

CLS, SEP, MASK = 101, 102, 103
TEXTS, LENGTH, ANSWERS = 4, 12, 20
QUEUE = 8
SMALL = dict(width=96, image_layers=3, heads=4, patch=8, image=48, vocab=200, positions=40, embed=32)
BASE = dict(width=768, image_layers=12, heads=12, patch=16, image=256, vocab=30522, positions=512, embed=256)


class Inputs(NamedTuple):
    """The same for both sides: images, padded texts [CLS] pieces without [SEP] (as ALBEF's tokenizer makes them), a
    closed list of answers [CLS] pieces [SEP]."""

    images: Tensor
    text: SimpleNamespace
    answers: SimpleNamespace

    @property
    def batch(self) -> dict:
        """As `ImageTextPreprocessor` gives it."""
        return dict(images=self.images, token_ids=self.text.input_ids, text_mask=self.mask)

    @property
    def texts(self) -> tuple[Tensor, Tensor]:
        return self.text.input_ids, self.mask

    @property
    def mask(self) -> Tensor:
        return self.text.attention_mask.bool()


def check_checkout(folder: Path) -> None:
    """Raises UserError unless ALBEF's code is there."""
    if not (folder / 'models' / 'xbert.py').is_file():
        raise UserError(f"'{folder}' is no copy of github.com/salesforce/ALBEF: it has no models/xbert.py")


def albef_builder(folder: Path, size: dict) -> Callable[[str], nn.Module]:
    """Builds ALBEF's models at a size of choice, with random weights in place of the hub's."""
    check_checkout(folder)
    sys.path.insert(0, str(folder))  # its modules import each other as `models.vit`
    try:
        # A decorator for docstrings, whose arguments have changed since.
        import_module('transformers.file_utils').add_code_sample_docstrings = lambda **_: lambda function: function
        bert, vit = import_module('models.xbert'), import_module('models.vit')
    except ImportError as error:
        raise UserError(
            f"ALBEF's code does not import here ({error}); it needs timm and an older transformers: 4.51.3 does"
        ) from error
    for name in ('BertModel', 'BertForMaskedLM', 'BertLMHeadModel'):
        from_config = classmethod(lambda cls, name, config, **options: cls(config, **options))
        getattr(bert, name).from_pretrained = from_config
    width = size['width']
    image_encoder = dict(embed_dim=width, depth=size['image_layers'], num_heads=size['heads'], patch_size=size['patch'])
    text_encoder = json.loads((folder / 'configs' / 'config_bert.json').read_text()) | dict(
        hidden_size=width,
        encoder_width=width,
        intermediate_size=4 * width,
        num_attention_heads=size['heads'],
        vocab_size=size['vocab'],
        max_position_embeddings=size['positions'],
    )
    config = dict(
        image_res=size['image'],
        vision_width=width,
        embed_dim=size['embed'],
        queue_size=QUEUE,
        temp=0.07,
        momentum=1.0,
        mlm_probability=0.15,
        distill=False,
    )

    def build(name: str) -> nn.Module:
        module = import_module(f'models.{name}')
        module.VisionTransformer = lambda **options: vit.VisionTransformer(**options | image_encoder)
        options = dict(init_deit=False) if name == 'model_pretrain' else {}
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, 'bert.json')
            path.write_text(json.dumps(text_encoder))
            tokenizer = SimpleNamespace(pad_token_id=0, cls_token_id=CLS, mask_token_id=MASK)
            model = module.ALBEF(config=config | dict(bert_config=str(path)), tokenizer=tokenizer, **options)
        return randomised(model)

    return build


def ours(albef: nn.Module | None, type_: str, size: dict, with_common_space: bool = True, **parts) -> nn.Module:
    """Our model with ALBEF's weights, every one of which has to find its place, or as it was built (None)."""
    width, heads = size['width'], size['heads']
    arch = dict(embed_dims=width, num_layers=size['image_layers'], num_heads=heads, feedforward_channels=4 * width)
    towers = dict(
        type='TwoTower',
        vision_backbone=dict(
            type='mmpretrain.VisionTransformer',
            arch=arch,
            img_size=size['image'],
            patch_size=size['patch'],
            norm_cfg=dict(type='LN', eps=1e-6),
            out_type='raw',
        ),
        neck=dict(type='ImageTokenNeck', in_channels=width),
        text_backbone=dict(
            type='BertTextEncoder', vocab_size=size['vocab'], width=width, num_heads=heads, max_length=size['positions']
        ),
        embed_dims=size['embed'] if with_common_space else None,
    )
    fusion = dict(type='FusionEncoder', width=width, image_width=width, num_heads=heads)
    preprocessor = dict(type='ImageTextPreprocessor', vocab_size=size['vocab'])
    model = MODELS.build(
        dict(dict(type=type_, towers=towers, multimodal_backbone=fusion, data_preprocessor=preprocessor), **parts)
    )
    if albef is not None:
        model.load_state_dict(albef_to_ours(albef.state_dict()).state, strict=True)
    return model.eval()


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Within, a model of one process gathers nothing."""
    module = import_module(f'models.{name}')
    gather, module.concat_all_gather = module.concat_all_gather, lambda tensor: tensor
    yield
    module.concat_all_gather = gather


@torch.no_grad()
def randomised(model: nn.Module) -> nn.Module:
    """No parameter is left at a zero or one that would hide an error, and the momentum models differ from the model."""
    for parameter in model.parameters():
        parameter += 0.05 * torch.randn_like(parameter) if parameter.ndim else 0.01
    return model.eval()


def random_inputs(size: dict) -> Inputs:
    images = torch.randn(TEXTS, 3, size['image'], size['image'])
    question = torch.randint(MASK, size['vocab'], (TEXTS, LENGTH))
    question[:, 0] = CLS
    mask = torch.arange(LENGTH) < torch.randint(3, LENGTH + 1, (TEXTS, 1))
    answers = torch.randint(MASK + 1, size['vocab'], (ANSWERS, 4))
    answers[:, 0], answers[:, 1] = CLS, MASK + 1 + torch.randperm(size['vocab'] - MASK - 1)[:ANSWERS]
    answers[:, 3], answers[::3, 2:] = SEP, torch.tensor([SEP, 0])  # of two pieces, and of one
    return Inputs(images, tokens(question * mask, mask), tokens(answers, answers > 0))


def tokens(ids: Tensor, mask: Tensor) -> SimpleNamespace:
    """What ALBEF takes from a tokenizer."""
    return SimpleNamespace(input_ids=ids, attention_mask=mask.long())
