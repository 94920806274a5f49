"""The grids of the study: which runs there are. Add a function and its row in `GRIDS`."""

from collections.abc import Callable, Sequence

from records import Record
from runs import Grid, Options, axis, product
from tuning import tuned_options
from variants import CHOICES, POLICY

from sacl_mm.user_error import UserError, did_you_mean

SHAPE_WORLD = 'configs/shape_world/infonce.py'
WORLD = 'projects/false_negatives/configs/world.py'
RATE = 'optim_wrapper.optimizer.lr'
# They have no part in what is compared.
TUNING_SEEDS = [100]
SEEDS = range(5)


def smoke(known: Sequence[Record]) -> Grid:
    """Seconds a run: tries the runner, not the policies."""
    few = {
        'train_dataloader.dataset.num_images': 256,
        'val_dataloader.dataset.num_images': 50,
        'train_cfg.max_epochs': 1,
    }
    axes = {'batch': axis('train_dataloader.batch_size', 32, 64)}
    return Grid(product(SHAPE_WORLD, ['InfoNCE', 'oracle', 'SACL, H'], axes, seeds=[0, 1], options=few))


def choices_of(label: str) -> dict[str, dict[str, Options]]:
    return {'choice': {name: {POLICY: policy} for name, policy in CHOICES[label].items()}}


def tuning(known: Sequence[Record]) -> Grid:
    """Each policy's own settings, at the centre point."""
    runs = [run for label in CHOICES for run in product(WORLD, [label], choices_of(label), TUNING_SEEDS)]
    return Grid(runs, base='SACL')


def chosen(label: str, known: Sequence[Record]) -> Options:
    """What the grid `tuning` has found."""
    if label not in CHOICES:
        return {}
    return tuned_options('tuning', tuning(known), choices_of(label), label, known)


def rates(known: Sequence[Record]) -> Grid:
    """The learning rate of each policy, at the centre point."""
    labels = ['InfoNCE', 'oracle', *CHOICES]
    axes = {'lr': axis(RATE, 5e-4, 1e-3, 2e-3)}
    return Grid(product(WORLD, labels, axes, TUNING_SEEDS, tuned=lambda label: chosen(label, known)))


# By functions of what is known: a grid may take what an earlier one has found (tuning.py).
GRIDS: dict[str, Callable[[Sequence[Record]], Grid]] = {'smoke': smoke, 'tuning': tuning, 'rates': rates}


def find_grid(name: str, known: Sequence[Record]) -> Grid:
    """Raises UserError if there is none of this name, or an earlier one has to be run before."""
    if name not in GRIDS:
        raise UserError(f"grid '{name}' does not exist{did_you_mean(name, GRIDS) or '; there are ' + ', '.join(GRIDS)}")
    return GRIDS[name](known)
