"""A configuration for one's own images and captions: `tools/train.py CONFIG --data PATH`."""

import copy
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from rich.console import Console

from sacl_mm.datasets.own_data import OwnData, read_own_data, validation_split
from sacl_mm.engine.checks.files import check_folder
from sacl_mm.own_images.first_process import by_the_first_process
from sacl_mm.progress import progress
from sacl_mm.user_error import UserError, did_you_mean, printable

# The words of --policy. docs/false_negatives.md says which is for what.
POLICIES: dict[str, dict] = dict(
    infonce=dict(type='InfoNCE'),
    sacl=dict(type='SimilarityRegulation', similarity_temperature=0.3),
    hn_nce=dict(type='HardNegativeNCE', beta=0.15),
    soft_targets=dict(type='SoftTargets', base_policy=dict(type='InfoNCE'), evidence='captions'),
    caption_weights=dict(
        type='WeightProduct',
        policies=[
            dict(type='SimilarityRegulation', alpha=1.0, evidence='captions', similarity_temperature=0.3),
            dict(type='HardNegativeNCE', beta=0.15),
        ],
    ),
)
_READ_CAPTIONS = ('soft_targets', 'caption_weights')
# A training of few images needs this many iterations, whatever its number of epochs says.
_LEAST_ITERATIONS = 120
_VALIDATIONS = 5


def use_policy(cfg: Config, name: str) -> None:
    """Raises UserError for an unknown name, or a model without a contrastive loss."""
    _check_policy(name, '--policy')
    loss = cfg.model.get('contrastive_loss')
    if loss is None:
        raise UserError(f'--policy: the model ({cfg.model.type}) has no contrastive_loss')
    loss.policy = copy.deepcopy(POLICIES[name])
    if name in _READ_CAPTIONS:
        cfg.model.evidence = {**cfg.model.get('evidence', {}), 'captions': dict(type='CaptionCoverage')}


def _check_policy(name: str, key: str) -> None:
    if name not in POLICIES:
        known = did_you_mean(name, POLICIES) or f'; known: {", ".join(POLICIES)}'
        raise UserError(f"{key} '{name}' is unknown{known}")


def use_own_data(
    cfg: Config, path: str, images: str | None = None, val_split: str | None = None, choose_policy: bool = False
) -> None:
    """Point the loaders of training, validation and test to one's own files, and fit batch and length to their number.

    The first of several processes looks at the images; all get what it found. The names of either side are left in
    `data/train.txt` and `data/val.txt` of the work dir.

    Args:
        path, images: see `read_own_data`.
        val_split: see `validation_split`.
        choose_policy: whether images with several captions get the policy that `policy_for_several_captions` names, if the
            configuration has plain InfoNCE.

    Raises:
        UserError, FileNotFoundError: names the file and the fix; the same on all processes.
    """
    for split in ('train', 'val', 'test'):
        dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset', {})
        if dataset.get('type') != 'ImageTextPairs':
            raise UserError(
                f'--data is for configurations whose datasets are ImageTextPairs, such as configs/own/small.py; '
                f'{split}_dataloader has {dataset.get("type")}'
            )
    policy = _policy_for_several_captions(cfg) if choose_policy else None
    prepared = by_the_first_process(
        'own data', lambda: _prepare(path, images, val_split, Path(cfg.work_dir) / 'data', policy)
    )
    if prepared['policy']:
        use_policy(cfg, prepared['policy'])
    for split, names in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.update(
            ann_file=prepared['ann_file'],
            data_root='',
            data_prefix=dict(img_path=prepared['image_folder']),
            split_file=os.path.abspath(os.path.join(cfg.work_dir, 'data', f'{names}.txt')),
        )
    fit_to_size(cfg, prepared['train'])


def _policy_for_several_captions(cfg: Config) -> str | None:
    """None also where the configuration has a policy of its own."""
    name = cfg.get('policy_for_several_captions')
    if name is None or cfg.model.get('contrastive_loss', {}).get('policy', {}).get('type') != 'InfoNCE':
        return None
    _check_policy(name, 'policy_for_several_captions')
    return name


def fit_to_size(cfg: Config, num_images: int) -> None:
    """A batch that the images fill at least four times, epochs enough for a training to settle, and few validations: each
    writes a checkpoint, which for few images takes longer than an epoch."""
    loader, world = cfg.train_dataloader, int(os.environ.get('WORLD_SIZE', 1))
    fitting = 2 ** int(math.log2(max(2, num_images / 4 / world)))
    loader.batch_size = min(loader.batch_size, fitting)
    iterations = max(1, num_images // (loader.batch_size * world))
    loop = cfg.train_cfg
    if 'max_epochs' not in loop:
        raise UserError(
            '--data fits the number of epochs to the images: train_cfg must be of a loop over epochs, max_epochs=...'
        )
    loop.max_epochs = max(loop.max_epochs, math.ceil(_LEAST_ITERATIONS / iterations))
    loop.val_interval = math.ceil(loop.max_epochs / _VALIDATIONS)
    if cfg.get('default_hooks', {}).get('checkpoint') is not None:
        cfg.default_hooks.checkpoint.interval = loop.val_interval


def _prepare(path: str, images: str | None, val_split: str | None, folder: Path, policy: str | None) -> dict:
    """What all processes need to know; `policy`: for images with several captions."""
    data = read_own_data(path, images, lambda looked, total: progress(looked, total, 'looking at the images'))
    training, validation = validation_split(data, val_split)
    check_folder(folder, 'folder of the split')
    folder.mkdir(parents=True, exist_ok=True)
    for name, names in (('train', training), ('val', validation)):
        (folder / f'{name}.txt').write_text(''.join(f'{image}\n' for image in names), encoding='utf-8')
    policy = policy if has_several_captions([data.captions[name] for name in training]) else None
    _show(data, training, validation, policy)
    return dict(ann_file=data.ann_file, image_folder=data.image_folder, train=len(training), policy=policy)


def has_several_captions(captions: Sequence[Sequence[str]]) -> bool:
    """Whether at least half of the images have, by the captions of each."""
    return float(np.median([len(texts) for texts in captions])) > 1


def _show(data: OwnData, training: list[str], validation: list[str], policy: str | None) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for line in data.report.lines():
        console.print(printable(f'{os.path.basename(data.ann_file)}: {line}'))
    console.print(
        printable(f'images in {data.image_folder}: {len(training):,} to train, {len(validation):,} to validate')
    )
    if policy:
        console.print(f'images have several captions: --policy {policy} (docs/false_negatives.md says why)')
