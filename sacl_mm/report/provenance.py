"""Where the numbers come from: configuration, checkpoint, seed, versions, machine, commit."""

import os
import platform
import subprocess
from pathlib import Path

import mmengine
import torch
from mmengine.config import Config

import sacl_mm
from sacl_mm.inference.model_folder import last_checkpoint
from sacl_mm.user_error import UserError


def checkpoint_of(work_dir: Path, cfg: Config) -> tuple[Path, str]:
    """A training's last checkpoint with 'val', else the checkpoint that a test measured with 'test'.

    Raises:
        UserError: there is none.
    """
    if (work_dir / 'last_checkpoint').is_file() or not cfg.get('load_from'):
        return last_checkpoint(work_dir), 'val'
    path = Path(cfg.load_from)
    if not path.is_file():
        raise UserError(f"checkpoint '{path}' does not exist")
    return path, 'test'


def run_facts(work_dir: Path, cfg: Config) -> dict[str, object]:
    """What is known about a run without its checkpoint."""
    model = cfg.get('model') or {}
    starts = sorted(folder.parent.name for folder in work_dir.glob('*/vis_data'))
    facts = {
        'configuration': Path(cfg.filename).name,
        'model': model.get('type'),
        'policy': (model.get('contrastive_loss') or {}).get('policy'),
        'policy of hard negatives': model.get('negative_policy'),
        'seed': (cfg.get('randomness') or {}).get('seed'),
        'started': ', '.join(starts),
    }
    return {name: value for name, value in facts.items() if value not in (None, '')}


def report_facts() -> dict[str, str]:
    """About the code and the machine that made the report."""
    versions = dict(
        sacl_mm=sacl_mm.__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        mmengine=mmengine.__version__,
    )
    return {
        'versions': ', '.join(f'{name} {version}' for name, version in versions.items()),
        'machine': f'{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs',
        'commit': _commit() or 'not a git checkout',
    }


def _commit() -> str | None:
    """Of the checkout that the package lies in; None if it lies in none."""
    command = ['git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
