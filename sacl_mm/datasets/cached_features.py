"""Features of frozen encoders, computed once (`sacl_mm.own_images.feature_cache`)."""

import logging
import os
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.utils.data import Dataset

from sacl_mm.checkpoints.files import read_plain
from sacl_mm.functional.image_captions import ImageCaptions
from sacl_mm.registry import DATASETS
from sacl_mm.user_error import AnnotationError, NonFiniteError, printable

# What a file of features holds: N images, T texts; texts_per_image says how many texts belong to each image, in order. Lists
# of paths and captions are for measures.
KEYS = ('image_features', 'text_features', 'image_ids', 'text_ids', 'texts_per_image', 'img_paths', 'texts')


@DATASETS.register_module()
class CachedFeatures(Dataset):
    """Samples `inputs` (D,) and `data_samples` with `text_inputs` (k, D_t), `image_id` and `text_ids`;
    for measures also `img_path` and `text` (list of str). Images that could not be read are not in the file; a warning
    says so, as a score without them is not the benchmark's.

    Args:
        ann_file: what `use_cached_features` wrote.
        per: 'image': one sample per image with all its texts; 'pair': one sample per text, as in training.

    Raises:
        FileNotFoundError, UserError: no such file, or not one of features, or an old one, or features that are not finite.
    """

    metainfo = dict(dataset_type='CachedFeatures')

    def __init__(self, ann_file: str, per: str = 'image') -> None:
        if per not in ('image', 'pair'):
            raise ValueError(f"per must be 'image' or 'pair', got {per!r}")
        if not os.path.exists(ann_file):
            raise FileNotFoundError(f"features '{ann_file}' do not exist: a configuration's feature_cache makes them")
        self.features = features = read_plain(ann_file, 'file of features')
        _check(features, ann_file)
        if features.get('broken'):
            first = ', '.join(map(str, features['broken'][:3]))
            print_log(
                printable(f"'{ann_file}' lacks {len(features['broken'])} images that could not be read: {first}"),
                logger='current',
                level=logging.WARNING,
            )
        ends = features['texts_per_image'].cumsum(0)
        starts = ends - features['texts_per_image']
        self.spans = [
            (image, start, end) for image, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
        ]
        if per == 'pair':
            self.spans = [(image, text, text + 1) for image, start, end in self.spans for text in range(start, end)]

    def __len__(self) -> int:
        return len(self.spans)

    def image_captions(self) -> Iterator[ImageCaptions]:
        """The captions of each sample."""
        for image, start, end in self.spans:
            text_ids = self.features['text_ids'][start:end].tolist()
            yield ImageCaptions(self.features['image_ids'][image].item(), text_ids, self.features['texts'][start:end])

    def __getitem__(self, index: int) -> dict:
        image, start, end = self.spans[index]
        sample = BaseDataElement()
        sample.text_inputs = self.features['text_features'][start:end]
        sample.image_id = self.features['image_ids'][image].item()
        sample.text_ids = self.features['text_ids'][start:end].tolist()
        sample.set_metainfo(dict(img_path=self.features['img_paths'][image], text=self.features['texts'][start:end]))
        return dict(inputs=self.features['image_features'][image], data_samples=sample)


def _check(features: Any, path: str) -> None:
    """Raises AnnotationError or NonFiniteError unless every part is there, of the length that the others give, and finite."""
    again = 'delete it, and train again'
    if not isinstance(features, dict) or not set(KEYS) <= set(features):
        raise AnnotationError(f"'{path}' is no file of features: it must hold {', '.join(KEYS)}")
    counts = features['texts_per_image']
    if not isinstance(counts, Tensor) or counts.ndim != 1 or counts.is_floating_point() or (counts < 0).any():
        raise AnnotationError(f"'{path}': texts_per_image must be a vector of counts; {again}")
    for key in KEYS:
        value = features[key]
        kind, ndim = (list, 1) if key in ('img_paths', 'texts') else (Tensor, 2 if key.endswith('features') else 1)
        if not isinstance(value, kind) or (isinstance(value, Tensor) and value.ndim != ndim):
            raise AnnotationError(f"'{path}': {key} must be a {kind.__name__.lower()} of {ndim} dimensions; {again}")
        wanted = int(counts.sum()) if key.startswith('text') and key != 'texts_per_image' else len(counts)
        if len(value) != wanted:
            raise AnnotationError(f"'{path}': {key} has {len(value)} rows, texts_per_image says {wanted}; {again}")
        if key.endswith('features') and not bool((finite := torch.isfinite(torch.as_tensor(value)).all(dim=1)).all()):
            row = int((~finite).nonzero()[0])
            raise NonFiniteError(f"'{path}': row {row} of {key} has NaN or infinity; {again}")
