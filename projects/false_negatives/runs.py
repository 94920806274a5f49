"""What a grid is made of: runs, and products of variants, axes and seeds."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from variants import VARIANTS, Variant

from sacl_mm.user_error import UserError, did_you_mean

Options = dict[str, Any]
# The axis of a policy's own settings, which others don't share: figures put all of its values into one panel.
CHOICE = 'choice'
SEEDS = range(5)
# They have no part in what is compared.
TUNING_SEEDS = [100]


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
        pairs: other comparisons, of a label with another: a policy that needs a finished model with a longer InfoNCE.
        frontier: the measures of the abscissa and the ordinate of a figure of what policies give up for what.
        weights: whether the weights that the trained models give to negatives are recorded (seconds a run); figures show
            them, and what the trainings logged.
    """

    runs: list[Run]
    metrics: Sequence[str] = ('retrieval/mAP', 'retrieval/R@mean')
    base: str = 'InfoNCE'
    oracle: str = 'oracle'
    pairs: Sequence[tuple[str, str]] = ()
    frontier: tuple[str, str] | None = None
    weights: bool = False

    @property
    def reported(self) -> tuple[str, ...]:
        """All measures of tables and figures."""
        return tuple(dict.fromkeys((*self.metrics, *(self.frontier or ()))))

    def __post_init__(self) -> None:
        labels = {run.label for run in self.runs}
        for label in itertools.chain(*self.pairs):
            if label not in labels:
                raise UserError(f"a grid compares '{label}', which it has no runs of{did_you_mean(label, labels)}")


def product(
    config: str,
    labels: Iterable[str],
    axes: Mapping[str, Mapping[Any, Options]],
    seeds: Iterable[int],
    options: Options | None = None,
    tuned: Callable[[str], Options] = lambda label: {},
) -> list[Run]:
    """Every variant at every combination of the axes' values with every seed.

    Args:
        axes: by name, the options of each value: `{'batch': {64: {'train_dataloader.batch_size': 64}, ...}}`.
        options: what all runs change.
        tuned: what the runs of a label change.
    """
    runs = []
    for values in itertools.product(*axes.values()):
        setting = dict(zip(axes, values, strict=True))
        chosen = [axes[name][value] for name, value in setting.items()]
        for label, seed in itertools.product(labels, seeds):
            variant = find_variant(label)
            parts = (options or {}, variant.options, tuned(label), *chosen)
            merged = {key: value for part in parts for key, value in part.items()}
            runs.append(Run(label, config, merged, seed, variant.after, setting))
    return runs


def find_variant(label: str) -> Variant:
    """Raises UserError if there is none of this label."""
    if label not in VARIANTS:
        raise UserError(
            f"variants.py has no '{label}'{did_you_mean(label, VARIANTS) or '; it has ' + ', '.join(VARIANTS)}"
        )
    return VARIANTS[label]


def axis(key: str, *values: Any) -> dict[Any, Options]:
    """An axis along a single setting."""
    return {value: {key: value} for value in values}
