"""Grids or tokens of a frozen backbone, computed once: `tools/cache_grids.py`; for `LoadImageGrid` and `LoadImageTokens`."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.datasets.image_text_dataset import IMAGE_ERRORS
from sacl_mm.engine.checks.config_check import check_config
from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.engine.checks.weights import check_pretrained_parts
from sacl_mm.registry import MODELS
from sacl_mm.user_error import BrokenSampleError, UserError, printable

SUFFIXES = ('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.gif', '.tif', '.tiff', '.webp', '.jp2', '.avif')


class Images(Dataset):
    """(name, image (C, H, W)) through a pipeline; (name, the reason) for a file that cannot be read."""

    def __init__(self, paths: list[Path], pipeline: list[dict]) -> None:
        self.paths, self.pipeline = paths, Compose(pipeline)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[str, Tensor | str]:
        path = self.paths[index]
        try:
            return path.name, self.pipeline(dict(img_path=str(path)))['inputs']
        except BrokenSampleError as error:
            return path.name, str(error)
        except IMAGE_ERRORS as error:  # of mmcv's loader
            return path.name, f'{type(error).__name__}: {error}'


def find_images(folder: str) -> list[Path]:
    if not os.path.isdir(folder):
        raise UserError(f"the folder of images '{folder}' does not exist")
    entries = sorted(Path(folder).iterdir())
    paths = [path for path in entries if path.suffix.lower() in SUFFIXES]
    others = [path.name for path in entries if path.suffix.lower() not in SUFFIXES]
    if others:
        print(printable(f'{len(others):,} entries of {folder} are no images by their names: {", ".join(others[:3])}'))
    if not paths:
        raise UserError(f"the folder '{folder}' holds no images ({', '.join(SUFFIXES)})")
    named: dict[str, Path] = {}
    for path in paths:
        if path.stem in named:
            raise UserError(f"'{path}' and '{named[path.stem].name}' would both become {path.stem}.npy: rename one")
        named[path.stem] = path
    return paths


def keep_config(cfg: Config, folder: Path) -> None:
    """One folder holds the grids of one configuration."""
    path = folder / 'config.py'
    if path.exists() and path.read_text() != cfg.pretty_text and any(folder.glob('*.npy')):
        raise UserError(f"'{folder}' holds grids of another configuration ({path}): choose another folder or delete it")
    path.write_text(cfg.pretty_text)


def features(stages: tuple[Tensor, ...]) -> Tensor:
    """Grids (B, H, W, C) from stages (B, C_s, H_s, W_s); of sequences the last one's tokens (B, N, C)."""
    if stages[-1].ndim == 3:
        return stages[-1]
    size = stages[-1].shape[-2:]
    return torch.cat([F.adaptive_avg_pool2d(stage.float(), size) for stage in stages], dim=1).permute(0, 2, 3, 1)


def save(array: Tensor, path: Path) -> None:
    """Renamed when complete: an interrupted run leaves no half of a file under the final name."""
    part = path.with_suffix('.part')
    with part.open('wb') as file:
        np.save(file, np.ascontiguousarray(array.half().cpu().numpy()))
    part.rename(path)


def with_progress(batches: Iterable[list], total: int) -> Iterator[list]:
    """A bar on a terminal; elsewhere a line now and then with what is left."""
    if sys.stdout.isatty():
        yield from track(batches, description='grids')
        return
    start = shown = time.monotonic()
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        now = time.monotonic()
        if now - shown >= 30 and done < total:
            shown = now
            left = (now - start) / done * (total - done) / 60
            print(f'{done:,} of {total:,} images, {left:.0f} min left', flush=True)


@torch.inference_mode()
def compute(batches: Iterator[list], preprocessor, image_encoder, dtype: torch.dtype, folder: Path) -> dict[str, str]:
    """Write the grids; the unreadable files and why."""
    broken = {}
    device = next(image_encoder.parameters()).device
    for batch in batches:
        broken |= {name: reason for name, reason in batch if isinstance(reason, str)}
        batch = [(name, image) for name, image in batch if not isinstance(image, str)]
        shapes = {tuple(image.shape): name for name, image in batch}
        if len(shapes) > 1:
            pairs = ', '.join(f'{name} {shape}' for shape, name in shapes.items())
            raise UserError(f'images of unequal size in a batch ({pairs}): resize them alike, or use --batch-size 1')
        if not batch:
            continue
        images = preprocessor(dict(inputs=[image for _, image in batch]), False)['inputs']
        stages = image_encoder(images.to(device, dtype, memory_format=torch.channels_last))
        if getattr(stages, 'sizes', None) is not None:
            raise UserError(
                'tokens that were merged cannot be stored: how many each stands for would be lost; '
                'use a backbone that keeps all tokens (image_encoder.keep_rate=1.0)'
            )
        if stages[-1].ndim not in (3, 4):
            shape = tuple(stages[-1].shape)
            raise UserError(f'image_encoder must yield grids (B, C, H, W) or tokens (B, N, C), got {shape}')
        for (name, _), array in zip(batch, features(stages), strict=True):
            if not array.isfinite().all() or array.abs().max() > torch.finfo(torch.half).max:
                raise UserError(f'{name}: the backbone yields values that float16 cannot hold; are its weights right?')
            save(array, folder / f'{Path(name).stem}.npy')
    return broken


def cache_grids(args: argparse.Namespace) -> None:
    """What `tools/cache_grids.py` does, with its arguments."""
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    MMLogger.get_instance('mmengine', log_level='WARNING')  # else MMEngine lists every weight as it is initialised
    cfg = config_from_file(args.config)
    check_config(cfg, args.cfg_options)
    cfg.merge_from_dict(args.cfg_options or {})
    load_mmpretrain()
    paths = find_images(cfg.images)
    folder = Path(args.out_folder)
    folder.mkdir(parents=True, exist_ok=True)
    keep_config(cfg, folder)
    missing = [path for path in paths if not (folder / f'{path.stem}.npy').exists()]
    print(f'{len(paths):,} images in {cfg.images}, {len(missing):,} without a grid', flush=True)
    dtype = torch.float32 if args.fp32 else torch.bfloat16
    broken = {}
    if missing:
        with DefaultScope.overwrite_default_scope('sacl_mm'):
            preprocessor, image_encoder = MODELS.build(cfg.data_preprocessor), MODELS.build(cfg.image_encoder)
            check_pretrained_parts(image_encoder)
            image_encoder.init_weights()
            image_encoder.to('cuda' if torch.cuda.is_available() else 'cpu').eval()
            image_encoder.to(dtype=dtype, memory_format=torch.channels_last)
            images = Images(missing, cfg.pipeline)
            loader = DataLoader(images, args.batch_size, num_workers=args.num_workers, collate_fn=list)
            broken = compute(with_progress(loader, len(missing)), preprocessor, image_encoder, dtype, folder)
    size = sum(path.stat().st_size for path in folder.glob('*.npy')) / 1e9
    new, kept = len(missing) - len(broken), len(paths) - len(missing)
    print(f'{folder}: {new:,} new grids, {kept:,} were there already, {size:.2f} GB in all')
    if broken:
        named = '; '.join(f'{name} ({" ".join(reason.split())})' for name, reason in list(broken.items())[:5])
        raise UserError(f'{len(broken)} images cannot be read and have no grid: {named}')
