"""Where a trained model lies: a work directory of a training, or a folder with one model that somebody shares."""

from pathlib import Path

from mmengine.config import Config

from sacl_mm.inference.trained_model import read_config
from sacl_mm.user_error import UserError

_BEST = 'best_*.pth'  # of `save_best`


def find_model(path: str | Path) -> tuple[Config, Path]:
    """Configuration and checkpoint of a folder, or of a checkpoint that has its configuration beside it.

    A folder's checkpoint is its one *.safetensors, the best one of the training (`save_best`), or else the last.

    Raises:
        UserError: there is no such path, no configuration or no checkpoint, or it is not clear which.
    """
    path = Path(path)
    if path.is_file() and path.suffix != '.py':
        return config_of(path.parent), path
    if not path.is_dir():
        problem = 'is a configuration: give its work dir, or a checkpoint' if path.is_file() else 'does not exist'
        raise UserError(f"model '{path}' {problem}")
    cfg = config_of(path)
    shared = sorted(path.glob('*.safetensors'))
    if len(shared) > 1:
        raise UserError(f"model '{path}' has {len(shared)} *.safetensors: name one of them")
    best = sorted(path.glob(_BEST), key=lambda file: file.stat().st_mtime)
    if shared or best:
        return cfg, (shared or best)[-1]
    return cfg, last_checkpoint(path)


def config_of(work_dir: Path) -> Config:
    """The configuration that MMEngine's Runner left in a work directory.

    Raises:
        UserError: there is none, there are several, or it is wrong.
    """
    files = sorted(work_dir.glob('*.py'))
    if len(files) != 1:
        raise UserError(f'{work_dir} should have one configuration (*.py), it has {len(files)}')
    return read_config(files[0])


def last_checkpoint(work_dir: Path) -> Path:
    """A training's last checkpoint; of the path that it left only the name counts: the folder may have moved.

    Raises:
        UserError: there is none.
    """
    pointer = work_dir / 'last_checkpoint'
    if not pointer.is_file():
        raise UserError(f'{work_dir} has no checkpoint')
    path = work_dir / Path(pointer.read_text().strip()).name
    if not path.is_file():
        raise UserError(f"checkpoint '{path}' does not exist")
    return path
