"""Work directories as trainings and tests leave them, of tiny models that were never trained."""

import json
import re
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from sacl_mm.registry import MODELS

ROOT = Path(__file__).parents[2]
CONFIGS = ('infonce', 'sacl')
NUM_IMAGES = 24


def config(name):
    cfg = Config.fromfile(ROOT / 'configs' / 'shape_world' / f'{name}.py')
    cfg.val_dataloader.dataset.num_images = NUM_IMAGES
    return cfg


def save_untrained(run_dir, cfg):
    """A work directory as a training leaves it."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        model = MODELS.build(cfg.model)
    folder = run_dir / '20260101_000000' / 'vis_data'
    folder.mkdir(parents=True)
    cfg.dump(run_dir / 'config.py')
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=0)), run_dir / 'epoch_0.pth')
    # Where it was written, before the folder came here.
    (run_dir / 'last_checkpoint').write_text('/elsewhere/epoch_0.pth')
    lines = [
        dict(loss=4.8, loss_itc=4.8, temperature=0.07, mi_negative=0.0, mi_negative_target=0.1, iter=50, step=50),
        {'retrieval/mAP': 30.0, 'retrieval/TR/R@1': 20.0, 'retrieval/TR/false_negative_rank': 9.0, 'step': 1},
    ]
    (folder / 'scalars.json').write_text(''.join(json.dumps(line) + '\n' for line in lines))


def both(work_dir):
    return dict(InfoNCE=work_dir / 'infonce', SACL=work_dir / 'sacl')


def write_scores(run_dir, scores):
    folder = run_dir / '20260101_000000'
    folder.mkdir(parents=True)
    (folder / '20260101_000000.json').write_text(json.dumps(scores))


def sections_of(text):
    return re.findall('<section (?:id|class)="([a-z-]+)"', text)
