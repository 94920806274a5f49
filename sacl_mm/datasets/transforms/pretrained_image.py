"""Images as a pre-trained vision-language model wants them."""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image
from torch import Tensor

from sacl_mm.pretrained_models import OpenClipName, import_open_clip, open_clip_name, reading, without_warnings
from sacl_mm.registry import TRANSFORMS

_CROP = (0.9, 1.0)  # of the area, as in open_clip's training


@TRANSFORMS.register_module()
class PreparePretrainedImage(BaseTransform):
    """Resize, crop and normalise as the library of `PretrainedTowers` does, by its own processor.

    `img` (H, W, 3), uint8, in BGR, as of `LoadImage`, becomes a float32 tensor (3, h, w), so the data preprocessor has no mean
    and std.

    Args:
        pretrained: a name or folder (`sacl_mm.pretrained_models`).
        train: first cut a random part of 90 to 100 % of the image, as open_clip does in training.

    Raises:
        UserError: no such model, or one without a description of its preprocessing.
    """

    def __init__(self, pretrained: str, train: bool = False) -> None:
        self.pretrained, self.train = pretrained, train
        name = open_clip_name(pretrained)
        with reading(pretrained, 'preparation of images'):
            self._process = _of_transformers(pretrained) if name is None else _of_open_clip(name)
            height, width = self._process(Image.new('RGB', (32, 32))).shape[1:]
        self._crop: Any = None
        if train:
            self._crop = TRANSFORMS.build(
                dict(
                    type='mmpretrain.RandomResizedCrop',
                    scale=(width, height),
                    crop_ratio_range=_CROP,
                    interpolation='bicubic',
                    backend='pillow',
                )
            )

    def transform(self, results: dict) -> dict:
        """Change `img` and `img_shape`."""
        if self._crop is not None:
            results = self._crop(results)
        pixels = self._process(Image.fromarray(np.ascontiguousarray(results['img'][..., ::-1])))
        return results | dict(img=pixels, img_shape=tuple(pixels.shape[1:]))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(pretrained={self.pretrained!r}, train={self.train})'


def _of_transformers(pretrained: str) -> Callable[[Image.Image], Tensor]:
    from transformers import AutoImageProcessor

    with without_warnings():  # about the default of another version
        processor = AutoImageProcessor.from_pretrained(pretrained, trust_remote_code=False)

    def process(image: Image.Image) -> Tensor:
        return torch.as_tensor(processor(images=image, return_tensors='pt')['pixel_values'][0])

    return process


def _of_open_clip(name: OpenClipName) -> Callable[[Image.Image], Tensor]:
    """As `open_clip.create_model_and_transforms`, which would build the model, too: by the description that comes with the
    weights, and the size of the model's images."""
    open_clip = import_open_clip()
    from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

    if name.model.startswith('local-dir:'):
        described = _described(os.path.join(name.model.removeprefix('local-dir:'), 'open_clip_config.json'))
    elif name.model.startswith('hf-hub:'):
        from open_clip.pretrained import download_pretrained_from_hf

        model = name.model.removeprefix('hf-hub:')
        described = _described(download_pretrained_from_hf(model, filename='open_clip_config.json'))
    else:
        described = open_clip.get_pretrained_cfg(name.model, name.weights) if name.weights else {}
    size = open_clip.get_model_config(name.model)['vision_cfg']['image_size']
    described = merge_preprocess_dict(PreprocessCfg(), described) | dict(size=size)
    return image_transform_v2(PreprocessCfg(**described), is_train=False)


def _described(path: str) -> dict:
    with open(path, encoding='utf-8') as file:
        return json.load(file).get('preprocess_cfg', {})
