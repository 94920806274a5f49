#!/usr/bin/env python
"""Run frozen encoders over a configuration's datasets once: `python tools/cache_features.py CONFIG OUT_DIR`.

The configuration has `image_encoder` and `text_encoder` (of MODELS), `data_preprocessor`, and `datasets`, a dict of name to
dataset in test mode (one image with all its texts); OUT_DIR/NAME.pt is written for each, for the dataset `CachedFeatures`.

An image's features are the mean and the maximum over the grid of the last stage and the mean of the other stages that the
backbone yields; a text's are the mean of its tokens. Each block is normalised to mean 0 and variance 1 per sample.

An image that cannot be read is left out with its texts and named, here and by `CachedFeatures`; the tool ends with an error.
"""

import argparse
import os
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from rich.markup import escape
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.engine.checks.weights import check_pretrained_parts
from sacl_mm.engine.launch import run_tool
from sacl_mm.registry import DATASETS, MODELS
from sacl_mm.user_error import BrokenSampleError, UserError, printable


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='configuration file')
    parser.add_argument('out_dir', help='where NAME.pt go; files that are there already are kept')
    parser.add_argument('--batch-size', type=int, default=25)
    parser.add_argument('--num-workers', type=int, default=0)
    parser.add_argument('--fp32', action='store_true', help='run the image encoder in float32 instead of bfloat16')
    return parser.parse_args()


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
        columns['image_features'].append(pool_stages(image_encoder(images)).half().cpu())
        columns['text_features'].append(pool_tokens(tokens, batch['text_mask'].to(device)).half().cpu())
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


def main() -> None:
    args = parse_args()
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


if __name__ == '__main__':
    run_tool(main)
