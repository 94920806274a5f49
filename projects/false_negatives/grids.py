"""The grids of the study: which runs there are. Add a function and its row in `GRIDS`."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from variants import CANDIDATES, VARIANTS

from sacl_mm.user_error import UserError, did_you_mean

SHAPE_WORLD = 'configs/shape_world/infonce.py'
WORLD = 'projects/false_negatives/configs/world.py'
Options = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One training.

    Args:
        label: its name in tables; the same for all seeds and settings.
        config: a configuration file, from the root of the repository.
        options: what is changed in it, by dotted key.
        after: the label of the run, of the same grid, seed and setting, whose checkpoint replaces '{checkpoint}'.
        setting: the values of the axes, for tables.
    """

    label: str
    config: str
    options: Options
    seed: int
    after: str | None = None
    setting: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For people."""
        return ', '.join(
            [self.label, *(f'{axis} {value}' for axis, value in self.setting.items()), f'seed {self.seed}']
        )


@dataclass(frozen=True)
class Grid:
    """Runs, and how they are reported.

    Args:
        metrics: the measures of its tables and figures; the first is the main one.
        base: the label that the others are compared with, seed by seed.
        oracle: the label that knows the false negatives, if it is there.
    """

    runs: list[Run]
    metrics: Sequence[str] = ('retrieval/mAP', 'retrieval/R@mean')
    base: str = 'InfoNCE'
    oracle: str = 'oracle'


def product(
    config: str,
    labels: Iterable[str],
    axes: Mapping[str, Mapping[Any, Options]],
    seeds: Iterable[int],
    options: Options | None = None,
) -> list[Run]:
    """Every variant at every combination of the axes' values with every seed.

    Args:
        axes: by name, the options of each value: `{'batch': {64: {'train_dataloader.batch_size': 64}, ...}}`.
        options: what all runs change.
    """
    runs = []
    for values in itertools.product(*axes.values()):
        setting = dict(zip(axes, values, strict=True))
        chosen = [axes[name][value] for name, value in setting.items()]
        for label, seed in itertools.product(labels, seeds):
            variant = VARIANTS[label]
            merged = {key: value for part in (options or {}, variant.options, *chosen) for key, value in part.items()}
            runs.append(Run(label, config, merged, seed, variant.after, setting))
    return runs


def axis(key: str, *values: Any) -> dict[Any, Options]:
    """An axis along a single setting."""
    return {value: {key: value} for value in values}


def smoke() -> Grid:
    """Seconds a run: tries the runner, not the policies."""
    few = {
        'train_dataloader.dataset.num_images': 256,
        'val_dataloader.dataset.num_images': 50,
        'train_cfg.max_epochs': 1,
    }
    axes = {'batch': axis('train_dataloader.batch_size', 32, 64)}
    return Grid(product(SHAPE_WORLD, ['InfoNCE', 'oracle', 'SACL, H'], axes, seeds=[0, 1], options=few))


def tuning() -> Grid:
    """Learning rate and length of InfoNCE and the oracle, and each policy's own settings, at the centre point; one seed, which
    has no part in what is compared."""
    rates = axis('optim_wrapper.optimizer.lr', 1e-3, 3e-3, 6e-3)
    runs = product(WORLD, ['InfoNCE', 'oracle', 'soft targets 1'], {'lr': rates}, seeds=[100])
    labels = [f'{label} {number}' for label, policies in CANDIDATES.items() for number in range(len(policies))]
    runs += product(WORLD, labels, {'lr': axis('optim_wrapper.optimizer.lr', 3e-3)}, seeds=[100])
    long = axis('train_cfg.max_epochs', 16, 32)
    runs += product(WORLD, ['InfoNCE', 'oracle', 'soft targets 1'], {'epochs': long}, seeds=[100])
    return Grid(runs)


# By functions: a grid may read what an earlier one has found.
GRIDS: dict[str, Callable[[], Grid]] = {'smoke': smoke, 'tuning': tuning}


def find_grid(name: str) -> Grid:
    """Raises UserError if there is none of this name."""
    if name not in GRIDS:
        raise UserError(f"grid '{name}' does not exist{did_you_mean(name, GRIDS) or '; there are ' + ', '.join(GRIDS)}")
    return GRIDS[name]()
