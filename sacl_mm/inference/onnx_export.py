"""Both encoders of a trained model as ONNX files, with what a program needs to know to feed them.

Shapes: B images, T texts, L tokens, E embedding.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sacl_mm.datasets.transforms.text import TokenizeText
from sacl_mm.inference.inferencer import ImageTextInferencer
from sacl_mm.models.pretrained import PretrainedTowers
from sacl_mm.user_error import UserError

OPSET = 18


class ImageEncoder(nn.Module):
    """Images (B, 3, H, W), normalised, to unit features (B, E)."""

    def __init__(self, towers: nn.Module) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, images: Tensor) -> Tensor:
        return self.towers.encode_image(images).feature


class TextEncoder(nn.Module):
    """Token ids (T, L) and their mask, True for tokens, to unit features (T, E)."""

    def __init__(self, towers: nn.Module) -> None:
        super().__init__()
        self.towers = towers

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        return self.towers.encode_text(token_ids, mask).feature


def export_onnx(inferencer: ImageTextInferencer, folder: Path) -> None:
    """Write image.onnx, text.onnx, tokenizer.json and preprocessing.json to `folder`. The number of images, of texts and of
    tokens are dynamic, the size of images is that of the model's test pipeline.

    Raises:
        UserError: the model has no features of single images, or a package is missing.
    """
    _check_packages()
    towers = getattr(inferencer.model, 'towers', None)
    if towers is None or not towers.embed_dims:
        raise UserError('the model has no features to compare: one of retrieval or pre-training is needed')
    if towers.is_text_guided:
        raise UserError(
            "the model's images are encoded with their texts (guide='text' or 'both'): they have no file alone"
        )
    if isinstance(towers, PretrainedTowers):
        raise UserError(
            "a model of transformers or open_clip is exported by its library's own tools: give it back to it by "
            'tools/model_converters/convert.py to-pretrained'
        )
    backbone = getattr(towers, 'vision_backbone', None)  # FeatureTowers have none
    if getattr(backbone, 'merges', False) and backbone.keep_rate < 1:
        raise UserError(
            "a TokenReducedViT that merges tokens cannot be exported: PyTorch's exporter fixes the batch size"
        )
    towers = towers.cpu().eval()
    if hasattr(towers.text_backbone, 'length_buckets'):
        towers.text_backbone.length_buckets = 1  # the same values, without a sorting by length
    (tokenize,) = (step for step in inferencer.prepare.pipeline.transforms if isinstance(step, TokenizeText))
    # Neither a batch nor a length of 1, which the exporter would take for constants.
    blank = np.zeros((32, 32, 3), np.uint8)
    batch = inferencer.model.data_preprocessor(inferencer.prepare([blank] * 2, [['a'], ['b']]), False)
    images = batch['images'].cpu()
    ids = torch.full((3, 7), tokenize.tokenizer.unk_id)
    folder.mkdir(parents=True, exist_ok=True)
    rows = torch.export.Dim('rows')
    _export(ImageEncoder(towers), (images,), folder / 'image.onnx', ['images'], [{0: rows}])
    shape = {0: rows, 1: torch.export.Dim('tokens')}
    _export(
        TextEncoder(towers),
        (ids, torch.ones_like(ids, dtype=torch.bool)),
        folder / 'text.onnx',
        ['token_ids', 'mask'],
        [shape] * 2,
    )
    tokenize.tokenizer.save(folder / 'tokenizer.json')
    facts = _facts(inferencer.model.data_preprocessor, tokenize, images, towers.embed_dims)
    (folder / 'preprocessing.json').write_text(json.dumps(facts, indent=2) + '\n')


def _facts(preprocessor: Any, tokenize: TokenizeText, images: Tensor, embed_dims: int) -> dict:
    normalises = preprocessor._enable_normalize
    mean, std = (
        getattr(preprocessor, name).flatten().tolist() if normalises else [value]
        for name, value in (('mean', 0.0), ('std', 1.0))
    )
    tokenizer = tokenize.tokenizer
    return dict(
        image=dict(
            size=list(images.shape[2:]),
            channels='RGB' if preprocessor._channel_conversion else 'BGR',
            mean=mean,
            std=std,
            note='(pixel of 0 to 255 - mean) / std',
        ),
        text=dict(
            tokenizer='tokenizer.json',
            max_length=tokenize.max_length,
            note='[CLS], pieces and, unless it is null, [SEP]: max_length at most; then [PAD], where mask is false',
            cls_id=tokenizer.cls_id,
            sep_id=tokenizer.sep_id if tokenize.end else None,
            pad_id=tokenizer.pad_id,
        ),
        feature=dict(size=embed_dims, note='of unit length: products are cosines'),
    )


def _export(module: nn.Module, inputs: tuple, path: Path, names: list[str], dynamic: list[dict]) -> None:
    new = path.with_name(f'{path.stem}.new.onnx')
    with torch.no_grad():
        program = torch.onnx.export(
            module.eval(), inputs, str(new), input_names=names, output_names=['features'], dynamic_shapes=tuple(dynamic),
            dynamo=True, external_data=False, verbose=False, opset_version=OPSET,
        )  # fmt: skip
    if any(isinstance(given.shape[0], int) for given in program.model.graph.inputs):  # the exporter does not say so
        new.unlink()
        raise UserError(f"{path.name}: PyTorch's exporter fixes the number of rows for this encoder")
    os.replace(new, path)


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f'export to ONNX needs {error.name}: pip install -e .[onnx]') from None
