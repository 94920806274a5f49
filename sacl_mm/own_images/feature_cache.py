"""Training on features of frozen encoders that are computed once: of a configuration whose `feature_cache` names a folder.

The loaders of training and validation then read `CachedFeatures` in place of pixels and words; the test's stays as it is, so
that testing, `ImageTextInferencer` and the pages see an ordinary model.
"""

import json
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sacl_mm.checkpoints.feature_store import FeatureStore, row_key
from sacl_mm.checkpoints.weights import weights_hash
from sacl_mm.datasets import BrokenSampleError, ImageTextDataset
from sacl_mm.engine.checks.weights import check_pretrained_parts
from sacl_mm.models.feature_towers import FeatureTowers
from sacl_mm.own_images.first_process import by_the_first_process
from sacl_mm.progress import progress
from sacl_mm.registry import DATASETS, MODELS
from sacl_mm.user_error import NonFiniteError, UserError

_AT_ONCE = 64  # images


def use_cached_features(cfg: Config) -> None:
    """Compute what is not there yet, and point the loaders to it.

    Features are kept by encoder (its weights and the test's pipeline), by image (path, size and time) and by text, so that
    trainings share them and one that was interrupted goes on. Images for training that cannot be read are named and left out;
    in test mode they are an error, as a score without them is not the benchmark's.

    Raises:
        UserError: the towers have no frozen encoders, their weights are missing, or no image can be read.
    """
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        paths = by_the_first_process('features', lambda: _compute(cfg))
    for split, path in paths.items():
        loader = cfg[f'{split}_dataloader']
        # Processes need the same number of pairs each; images may have any number of texts.
        per = 'pair' if split == 'train' and int(os.environ.get('WORLD_SIZE', 1)) > 1 else 'image'
        loader.dataset = dict(type='CachedFeatures', ann_file=path, per=per)
        loader.num_workers, loader.persistent_workers = 0, False


def _compute(cfg: Config) -> dict[str, str]:
    """The file of features of each split."""
    towers = _with_weights(cfg.model.towers)
    encode = _Encoder(towers.to(get_device()).eval(), MODELS.build(cfg.model.data_preprocessor))
    pipeline = cfg.test_dataloader.dataset.pipeline
    folder = Path(cfg.feature_cache) / _fingerprint(towers, [pipeline, cfg.model.data_preprocessor])
    paths = {}
    for split in ('train', 'val'):
        loader = cfg.get(f'{split}_dataloader')
        if loader is None:
            continue
        dataset = DATASETS.build(dict(loader.dataset, pipeline=pipeline))
        features = _features(dataset, encode, folder, split, loader.get('num_workers', 0))
        path = folder / f'{split}_{row_key(*features["img_paths"], *features["texts"]):x}.pt'
        part = path.with_suffix(f'.{os.getpid()}.part')
        torch.save(features, part)
        part.rename(path)
        paths[split] = str(path)
    return paths


def _with_weights(config: dict) -> FeatureTowers:
    """Raises UserError if the encoders start from random weights: those of the training would be others."""
    built = []
    for _ in range(2):
        towers = MODELS.build(config)
        if not isinstance(towers, FeatureTowers) or towers.image_encoder is None:
            raise UserError('feature_cache is for FeatureTowers with image_encoder and text_encoder: set it to None')
        check_pretrained_parts(towers)
        for encoder in (towers.image_encoder, towers.text_backbone):  # the heads are not used here
            encoder.init_weights()
        built.append(towers)
    if _fingerprint(built[0], '') != _fingerprint(built[1], ''):
        raise UserError(
            'feature_cache: a frozen encoder starts from random weights; give it a checkpoint, or feature_cache=None'
        )
    return built[0]


class _Encoder:
    """Frozen encoders with the preprocessing of their model."""

    def __init__(self, towers: FeatureTowers, preprocessor: torch.nn.Module) -> None:
        self.towers, self.preprocessor = towers, preprocessor.to(next(towers.parameters()).device)

    @torch.inference_mode()
    def __call__(self, samples: list[dict]) -> tuple[Tensor, Tensor]:
        """Features of the samples' images (B, D) and of all their texts (T, D_t)."""
        batch = self.preprocessor(pseudo_collate(samples), False)
        features = (
            self.towers.image_features(batch['images']),
            self.towers.text_features(batch['token_ids'], batch['text_mask']),
        )
        for rows in features:
            if not bool(rows.isfinite().all()):
                names = ', '.join(sample['data_samples'].img_path for sample in samples[:3])
                raise NonFiniteError(f'features of {names}, ... are NaN or infinite; are the weights right?')
        return features


class _Readable(Dataset):
    """Prepared samples of some places of a dataset; in place of one that cannot be read, what is wrong."""

    def __init__(self, dataset: ImageTextDataset, places: list[int]) -> None:
        self.dataset, self.places = dataset, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> tuple[int, dict | str]:
        place = self.places[number]
        try:
            return place, self.dataset.prepare_data(place)
        except BrokenSampleError as error:
            return place, str(error)


def _features(dataset: ImageTextDataset, encode: _Encoder, folder: Path, split: str, num_workers: int) -> dict:
    """What `CachedFeatures` reads."""
    items = [dataset.get_data_info(place) for place in range(len(dataset))]
    broken: dict[int, str] = {}
    for place, item in enumerate(items):
        try:  # leaves captions out as the dataset does, so that texts and features stay together
            dataset.check_captions(item, item['img_path'])
        except BrokenSampleError as error:
            broken[place] = str(error)
    images, texts = FeatureStore(folder / 'images'), FeatureStore(folder / 'texts')
    image_keys = [_image_key(item['img_path']) for item in items]
    text_keys = [[row_key(text) for text in item['text']] for item in items]
    missing = [
        place
        for place, image_key in enumerate(image_keys)
        if place not in broken and (image_key not in images or any(key not in texts for key in text_keys[place]))
    ]
    loader = DataLoader(_Readable(dataset, missing), _AT_ONCE, num_workers=num_workers, collate_fn=list)
    for samples in progress(loader, len(loader), f'features of the {split} images, batches of {_AT_ONCE}'):
        broken |= {place: sample for place, sample in samples if isinstance(sample, str)}
        good = {place: sample for place, sample in samples if not isinstance(sample, str)}
        if good:
            image_rows, text_rows = encode(list(good.values()))
            images.add([image_keys[place] for place in good], image_rows)
            texts.add([key for place in good for key in text_keys[place]], text_rows)
    kept = [place for place in range(len(items)) if place not in broken]
    if broken and dataset.test_mode:
        raise UserError(f'{split}: {len(broken)} images cannot be read: {"; ".join(list(broken.values())[:3])}')
    if not kept:
        raise UserError(f'{split}: no image can be read, the first: {next(iter(broken.values()), "there is none")}')
    return dict(
        image_features=images.rows([image_keys[place] for place in kept]),
        text_features=texts.rows([key for place in kept for key in text_keys[place]]),
        image_ids=torch.tensor([items[place]['image_id'] for place in kept]),
        text_ids=torch.tensor([text_id for place in kept for text_id in items[place]['text_ids']]),
        texts_per_image=torch.tensor([len(text_keys[place]) for place in kept]),
        img_paths=[items[place]['img_path'] for place in kept],
        texts=[text for place in kept for text in items[place]['text']],
        broken=list(broken.values()),
    )


def _image_key(path: str) -> int:
    """Of a file: its path, size and time; what is no file by itself is told apart by the file that it lies in."""
    file = path
    while not os.path.exists(file) and os.path.dirname(file) != file:
        file = os.path.dirname(file)
    status = os.stat(file)
    return row_key(os.path.abspath(path), status.st_size, status.st_mtime_ns)


def _fingerprint(towers: FeatureTowers, settings: object) -> str:
    """Of the encoders' weights and of what images and texts go through before."""
    parts = [weights_hash(encoder.state_dict()) for encoder in (towers.image_encoder, towers.text_backbone)]
    parts.append(json.dumps(settings, sort_keys=True, default=repr))
    return f'{row_key(*parts):x}'
