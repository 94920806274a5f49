"""Features of frozen encoders, computed once: `tools/cache_features.py`; read by the dataset `CachedFeatures`."""

import argparse
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from rich.markup import escape
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.engine.checks.weights import check_pretrained_parts
from sacl_mm.registry import DATASETS, MODELS
from sacl_mm.user_error import BrokenSampleError, UserError, printable


class Readable(Dataset):
    """The samples of a dataset in test mode; in place of one that cannot be read, (index, the reason)."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict | tuple[int, str]:
        try:
            return self.dataset[index]
        except BrokenSampleError as error:
            # In test mode the message goes on with what to do about a benchmark.
            return index, str(error.__cause__ or error)


def image_features(stages: tuple[Tensor, ...]) -> Tensor:
    """(B, D) from grids (B, C, H, W)."""
    pooled = [grid.float().mean((2, 3)) for grid in stages] + [stages[-1].float().amax((2, 3))]
    return torch.cat([F.layer_norm(block, block.shape[1:]) for block in pooled], dim=1)


def text_features(tokens_TLC: Tensor, mask_TL: Tensor) -> Tensor:
    """(T, C)."""
    weight = mask_TL[:, :, None].float()
    mean = (tokens_TLC * weight).sum(1) / weight.sum(1)
    return F.layer_norm(mean, mean.shape[1:])


@torch.inference_mode()
def compute(loader: DataLoader, preprocessor, image_encoder, text_encoder, dtype: torch.dtype, name: str) -> dict:
    columns: dict[str, list] = dict(image_features=[], text_features=[], image_ids=[], text_ids=[], texts_per_image=[])
    names: dict[str, list[str]] = dict(img_paths=[], texts=[])
    device = next(image_encoder.parameters()).device
    broken: dict[int, str] = {}
    for samples in track(loader, description=escape(printable(f'features of {name}'))):
        broken |= dict(sample for sample in samples if isinstance(sample, tuple))
        samples = [sample for sample in samples if not isinstance(sample, tuple)]
        if not samples:
            continue
        batch = preprocessor(pseudo_collate(samples), False)
        images = batch['images'].to(device, dtype, memory_format=torch.channels_last)
        tokens = text_encoder(batch['token_ids'].to(device), batch['text_mask'].to(device))
        columns['image_features'].append(image_features(image_encoder(images)).half().cpu())
        columns['text_features'].append(text_features(tokens, batch['text_mask'].to(device)).half().cpu())
        columns['image_ids'].append(batch['image_ids'].cpu())
        columns['text_ids'].append(batch['text_ids'].cpu())
        columns['texts_per_image'].append(torch.tensor(batch['texts_per_image']))
        for sample in batch['data_samples']:
            names['img_paths'].append(sample.img_path)
            names['texts'] += sample.text
    if not names['img_paths']:
        raise UserError(f'{name}: no image can be read, the first: {next(iter(broken.values()), "there is none")}')
    features = {key: torch.cat(rows) for key, rows in columns.items()}
    for key in ('image_features', 'text_features'):
        bad = (~features[key].isfinite().all(dim=1)).nonzero()[:, 0].tolist()
        if bad:
            raise UserError(
                f'{name}: {len(bad)} rows of {key} are NaN or infinite, first {bad[0]}; are the weights right?'
            )
    return features | names | dict(broken=list(broken.values()))


def cache_features(args: argparse.Namespace) -> None:
    """What `tools/cache_features.py` does, with its arguments."""
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    MMLogger.get_instance('mmengine', log_level='WARNING')  # else MMEngine lists every weight as it is initialised
    cfg = config_from_file(args.config)
    load_mmpretrain()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    dtype = torch.float32 if args.fp32 else torch.bfloat16
    Path(args.out_dir).mkdir(parents=True, exist_ok=True)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        preprocessor = MODELS.build(cfg.data_preprocessor)
        image_encoder, text_encoder = MODELS.build(cfg.image_encoder), MODELS.build(cfg.text_encoder)
        for encoder in (image_encoder, text_encoder):
            check_pretrained_parts(encoder)
            encoder.init_weights()
            encoder.to(device).eval()
        image_encoder.to(dtype=dtype, memory_format=torch.channels_last)
        paths = {name: Path(args.out_dir) / f'{name}.pt' for name in cfg.datasets}
        # All are built before the first is run over: a file that is missing is told at once.
        datasets = {name: DATASETS.build(cfg.datasets[name]) for name, path in paths.items() if not path.exists()}
        broken = []
        for name, path in paths.items():
            if name not in datasets:
                print(f'{path} is there already')
                continue
            loader = DataLoader(
                Readable(datasets[name]), args.batch_size, num_workers=args.num_workers, collate_fn=list
            )
            features = compute(loader, preprocessor, image_encoder, text_encoder, dtype, name)
            # Renamed when complete: an interrupted run leaves no half of a file.
            torch.save(features | dict(config=cfg.pretty_text), path.with_suffix('.part'))
            path.with_suffix('.part').rename(path)
            shapes = ', '.join(f'{key} {tuple(features[key].shape)}' for key in ('image_features', 'text_features'))
            print(f'{path}: {shapes}')
            broken += [f'{reason} (left out of {path})' for reason in features['broken']]
    if broken:
        raise UserError(
            f'{len(broken)} images cannot be read and have no features: {"; ".join(broken[:5])}. To have them, mend them, '
            'delete the files that they are left out of, and run this again'
        )
