"""The grids of the study: which runs there are. Add a function and its row in `GRIDS`."""

from collections.abc import Callable, Sequence

from records import Record
from runs import Grid, axis, product

from sacl_mm.user_error import UserError, did_you_mean

SHAPE_WORLD = 'configs/shape_world/infonce.py'


def smoke(known: Sequence[Record]) -> Grid:
    """Seconds a run: tries the runner, not the policies."""
    few = {
        'train_dataloader.dataset.num_images': 256,
        'val_dataloader.dataset.num_images': 50,
        'train_cfg.max_epochs': 1,
    }
    axes = {'batch': axis('train_dataloader.batch_size', 32, 64)}
    return Grid(product(SHAPE_WORLD, ['InfoNCE', 'oracle', 'SACL, H'], axes, seeds=[0, 1], options=few))


# By functions of what is known: a grid may take what an earlier one has found (tuning.py).
GRIDS: dict[str, Callable[[Sequence[Record]], Grid]] = {'smoke': smoke}


def find_grid(name: str, known: Sequence[Record]) -> Grid:
    """Raises UserError if there is none of this name, or an earlier one has to be run before."""
    if name not in GRIDS:
        raise UserError(f"grid '{name}' does not exist{did_you_mean(name, GRIDS) or '; there are ' + ', '.join(GRIDS)}")
    return GRIDS[name](known)
