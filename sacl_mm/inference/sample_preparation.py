"""Pictures and texts from anywhere, prepared by the pipeline that a configuration tests with."""

import os
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image, ImageOps

Picture: TypeAlias = str | os.PathLike | np.ndarray | Image.Image
"""A path, an array (H, W, 3) uint8 in BGR, as cv2 loads it, or a PIL image."""

_NEEDED = 'give a configuration whose model sees pictures'


class LoadPicture(LoadImageFromFile):
    """`LoadImageFromFile`, in whose place it stands, that also takes arrays and PIL images.

    Raises:
        ValueError: names a file that cannot be read.
    """

    def transform(self, results: dict) -> dict:
        """`img_path` may be any `Picture`."""
        picture = results['img_path']
        if not isinstance(picture, (np.ndarray, Image.Image)):
            try:
                return super().transform(results | dict(img_path=os.fspath(picture)))
            except Exception as error:  # whatever the decoder raises
                reason = ' '.join(str(error).split())
                raise ValueError(f"picture '{picture}' cannot be read ({type(error).__name__}: {reason})") from error
        if isinstance(picture, Image.Image):  # turned as a camera says, as cv2 does when it loads a file
            picture = np.array(ImageOps.exif_transpose(picture).convert('RGB'))[..., ::-1]
        image = np.ascontiguousarray(picture)
        return results | dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])


class SamplePreparation:
    """What a test data loader does, for samples that are in no dataset.

    The pipeline is that of `test_dataloader` (or `val_dataloader`); where it does not load pictures, since the dataset
    draws them, they are loaded and resized to the dataset's `image_size`.

    Args:
        cfg: the configuration.
        pairs: a sample has two pictures.

    Raises:
        ValueError: the model's input is no pictures but cached features.
    """

    def __init__(self, cfg: Config, pairs: bool = False) -> None:
        loader = cfg.get('test_dataloader') or cfg.get('val_dataloader') or {}
        dataset = loader.get('dataset', {})
        if not dataset.get('pipeline'):
            raise ValueError(f'the test dataset ({dataset.get("type")}) has no pipeline for pictures: {_NEEDED}')
        pipeline, loads = _replace_loader(dataset['pipeline'])
        if not loads:
            pipeline = [*_load_and_resize(dataset, pairs), *pipeline]
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'sacl_mm'):
            self.pipeline = Compose(pipeline)

    def __call__(self, pictures: Sequence, texts: Sequence[Sequence[str]]) -> dict:
        """What a model's data preprocessor takes: sample i is picture i (or a list of two) with `texts[i]`."""
        return pseudo_collate([self._sample(picture, list(own)) for picture, own in zip(pictures, texts, strict=True)])

    def _sample(self, picture: Picture | list[Picture], texts: list[str]) -> dict:
        nothing_known = dict(answers=[], answer_weights=[], label=-1)
        return self.pipeline(
            dict(img_path=picture, text=texts, image_id=0, text_ids=list(range(len(texts))), **nothing_known)
        )


def _replace_loader(pipeline: Sequence[dict]) -> tuple[list[dict], bool]:
    """The pipeline with `LoadPicture`, also inside other transforms, and whether it had a loader."""
    replaced, loads = [], False
    for step in pipeline:
        kind = step['type'] if isinstance(step['type'], str) else step['type'].__name__
        kind = kind.split('.')[-1]
        if kind in ('LoadImageGrid', 'LoadImageTokens'):
            raise ValueError(f'the model sees stored features ({kind}), not pictures: {_NEEDED}')
        if kind == 'LoadImageFromFile':
            step, loads = dict(step, type=LoadPicture), True
        elif 'transforms' in step:
            inner, inner_loads = _replace_loader(step['transforms'])
            step, loads = dict(step, transforms=inner), loads or inner_loads
        replaced.append(dict(step))
    return replaced, loads


def _load_and_resize(dataset: dict, pairs: bool) -> list[dict]:
    size = dataset.get('image_size')
    if size is None:
        raise ValueError(
            f'the pipeline of the test dataset ({dataset.get("type")}) loads no pictures, and the dataset has no image_size '
            'to resize them to: set test_dataloader.dataset.image_size'
        )
    steps = [
        dict(type=LoadPicture),
        dict(type='mmpretrain.Resize', scale=(size, size), interpolation='bicubic', backend='pillow'),
    ]
    if pairs:
        return [dict(type='mmpretrain.ApplyToList', scatter_key='img_path', transforms=steps, collate_keys=['img'])]
    return steps


def check_pictures(pictures: Sequence[Picture], name: str = 'pictures') -> None:
    """Raises ValueError or FileNotFoundError that names the item, unless all can be pictures; files are not opened."""
    _check_list(pictures, name, 'paths, arrays or PIL images')
    for number, picture in enumerate(pictures):
        item = f'{name}[{number}]'
        if isinstance(picture, (str, os.PathLike)):
            if '://' not in os.fspath(picture) and not os.path.isfile(picture):
                raise FileNotFoundError(f"{item} '{picture}' does not exist")
        elif isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
                raise ValueError(
                    f'{item} must be a uint8 array (H, W, 3) in BGR, got {picture.dtype} of shape {picture.shape}'
                )
        elif not isinstance(picture, Image.Image):
            raise ValueError(
                f'{item} must be a path, a uint8 array (H, W, 3) or a PIL image, got {type(picture).__name__}'
            )


def check_texts(texts: Sequence[str], name: str = 'texts') -> None:
    """Raises ValueError that names the item, unless all are texts with something in them."""
    _check_list(texts, name, 'texts')
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f'{name}[{number}] must be a text, got {text!r}')


def check_same_length(**lists: Sequence) -> None:
    """Raises ValueError with all lengths, unless they are one."""
    if len({len(items) for items in lists.values()}) > 1:
        lengths = ', '.join(f'{len(items)} {name}' for name, items in lists.items())
        raise ValueError(f'item i of each list belongs together, but there are {lengths}')


def _check_list(items: Sequence, name: str, of: str) -> None:
    if not isinstance(items, Sequence) or isinstance(items, (str, bytes)):
        raise ValueError(f'{name} must be a list of {of}, got a {type(items).__name__}')
    if not items:
        raise ValueError(f'{name} is empty')
