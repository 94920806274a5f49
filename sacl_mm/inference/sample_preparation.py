"""Images and texts from anywhere, prepared by the pipeline that a configuration tests with."""

import os
from collections.abc import Callable, Sequence

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image
from torch import Tensor

from sacl_mm.datasets import LoadImage
from sacl_mm.datasets.image_files import regular_file_size
from sacl_mm.datasets.pixels import check_array, check_mode
from sacl_mm.datasets.transforms.load_image import ImageSource
from sacl_mm.user_error import NonFiniteError, printable

_NEEDED = 'give a configuration whose model sees images'
_LOADERS = ('LoadImage', 'LoadImageFromFile')
# Of mmcv's loader: how a file is opened and by which library it is decoded. Others would change the pixels.
_HARMLESS = ('backend_args', 'ignore_empty', 'imdecode_backend')


class SamplePreparation:
    """What a test data loader does, for samples that are in no dataset.

    The pipeline is that of `test_dataloader` (or `val_dataloader`); where it does not load images, since the dataset
    draws them, they are loaded and resized to the dataset's `image_size`.

    Args:
        cfg: the configuration.
        pairs: a sample has two images.

    Raises:
        ValueError: the model's input is no images but cached features, or the pipeline loads them in its own way.
    """

    def __init__(self, cfg: Config, pairs: bool = False) -> None:
        loader = cfg.get('test_dataloader') or cfg.get('val_dataloader') or {}
        dataset = loader.get('dataset', {})
        if not dataset.get('pipeline'):
            raise ValueError(f'the test dataset ({dataset.get("type")}) has no pipeline for images: {_NEEDED}')
        pipeline, loads = _replace_loader(dataset['pipeline'])
        if not loads:
            pipeline = [*_load_and_resize(dataset, pairs), *pipeline]
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'sacl_mm'):
            self.pipeline = Compose(pipeline)

    def __call__(self, images: Sequence, texts: Sequence[Sequence[str]]) -> dict:
        """What a model's data preprocessor takes: sample i is image i (or a list of two) with `texts[i]`."""
        return pseudo_collate([self._sample(image, list(own)) for image, own in zip(images, texts, strict=True)])

    def _sample(self, image: ImageSource | list[ImageSource], texts: list[str]) -> dict:
        nothing_known = dict(gt_answer=[], gt_answer_weight=[], gt_label=-1)
        return self.pipeline(
            dict(img_path=image, text=texts, image_id=0, text_ids=list(range(len(texts))), **nothing_known)
        )


def _replace_loader(pipeline: Sequence[dict]) -> tuple[list[dict], bool]:
    """The pipeline with `LoadImage` in place of mmcv's loader, also inside other transforms, and whether it had a loader."""
    replaced, loads = [], False
    for step in pipeline:
        kind = step['type'] if isinstance(step['type'], str) else step['type'].__name__
        kind = kind.split('.')[-1]
        if kind in ('LoadImageGrid', 'LoadImageTokens'):
            raise ValueError(f'the model sees stored features ({kind}), not images: {_NEEDED}')
        if kind in _LOADERS:
            step, loads = _load_image(dict(step), kind), True
        elif 'transforms' in step:
            inner, inner_loads = _replace_loader(step['transforms'])
            step, loads = dict(step, transforms=inner), loads or inner_loads
        replaced.append(dict(step))
    return replaced, loads


def _load_image(step: dict, kind: str) -> dict:
    if kind == 'LoadImage':
        return dict(step, type=LoadImage)
    defaults = dict(color_type='color', to_float32=False)
    other = [key for key in step if key not in ('type', *_HARMLESS) and step[key] != defaults.get(key)]
    if other:
        raise ValueError(
            f'the test pipeline has LoadImageFromFile with {", ".join(other)}, but images are loaded by LoadImage, which '
            'has no such option'
        )
    return dict(type=LoadImage, backend_args=step.get('backend_args'))


def _load_and_resize(dataset: dict, pairs: bool) -> list[dict]:
    size = dataset.get('image_size')
    if size is None:
        raise ValueError(
            f'the pipeline of the test dataset ({dataset.get("type")}) loads no images, and the dataset has no image_size '
            'to resize them to: set test_dataloader.dataset.image_size'
        )
    steps = [
        dict(type=LoadImage),
        dict(type='mmpretrain.Resize', scale=(size, size), interpolation='bicubic', backend='pillow'),
    ]
    if pairs:
        return [dict(type='mmpretrain.ApplyToList', scatter_key='img_path', transforms=steps, collate_keys=['img'])]
    return steps


def check_images(images: Sequence[ImageSource], name: str = 'images') -> None:
    """Raises ValueError or FileNotFoundError that names the item, unless all can be images; files are not opened."""
    _check_list(images, name, 'paths, arrays or PIL images')
    for number, image in enumerate(images):
        item = f'{name}[{number}]'
        if isinstance(image, (str, os.PathLike)):
            _check_path(os.fspath(image), item)
        elif isinstance(image, np.ndarray):
            _named(check_array, image, item)
        elif isinstance(image, Image.Image):
            _named(check_mode, image, item)
        else:
            raise ValueError(
                f'{item} must be a path, an array (H, W, 3) in BGR or a PIL image, got {type(image).__name__}'
            )


def _check_path(path: str | bytes, item: str) -> None:
    if isinstance(path, bytes):
        raise ValueError(f'{item} must be a path as text, got bytes')
    if '://' in path:
        return
    shown = printable(f"{item} '{path}'")
    try:
        regular_file_size(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{shown} does not exist') from error
    except (OSError, ValueError) as error:
        raise ValueError(f'{shown} cannot be read: {getattr(error, "strerror", None) or error}') from error


def _named(check: Callable, image: np.ndarray | Image.Image, item: str) -> None:
    try:
        check(image)
    except ValueError as error:
        raise ValueError(f'{item} {error}') from error


def check_texts(texts: Sequence[str], name: str = 'texts') -> None:
    """Raises ValueError that names the item, unless all are texts with something in them."""
    _check_list(texts, name, 'texts')
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f'{name}[{number}] must be a text, got {text!r}')
        if any('\ud800' <= letter <= '\udfff' for letter in text):
            raise ValueError(f'{name}[{number}] has half a character (a lone surrogate): {text!r}')


def check_finite(rows: Tensor, name: str) -> None:
    """Raises NonFiniteError that names the first row with NaN or infinity."""
    bad = (~rows.isfinite()).reshape(len(rows), -1).any(dim=1).nonzero()[:, 0]
    if len(bad):
        raise NonFiniteError(
            f'{name}: {len(bad)} of {len(rows)} rows are not finite (NaN or infinity), first [{bad[0]}]'
        )


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
