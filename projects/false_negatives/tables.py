"""What records say together: means over seeds, paired differences, shares of the oracle's gain."""

import csv
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from records import Record
from runs import Grid
from scipy.stats import ttest_rel

Place = tuple[tuple[str, Any], ...]  # a setting that can be a key


@dataclass(frozen=True)
class Mean:
    """Over `n` seeds; `deviation` is the standard deviation of one of them, nan for a single seed."""

    value: float
    deviation: float
    n: int


@dataclass(frozen=True)
class Difference:
    """Mean difference to a base over the `n` seeds that both have, its standard error, and p of the paired t-test (two-sided,
    not corrected for how many are made). Without two seeds, or where all differ alike, the last two are nan."""

    value: float
    error: float
    p: float
    n: int


def of_grid(name: str, grid: Grid, records: Iterable[Record]) -> list[Record]:
    """The newest record of each run that the grid has now."""
    found = {(r.label, frozenset(place_of(r.setting)), r.seed): r for r in records if r.grid == name}
    chosen = [(run, found.get((run.label, frozenset(place_of(run.setting)), run.seed))) for run in grid.runs]
    return [replace(record, setting=run.setting) for run, record in chosen if record is not None]


def place_of(setting: dict[str, Any]) -> Place:
    return tuple((axis, tuple(value) if isinstance(value, list) else value) for axis, value in setting.items())


def by_seed(records: Iterable[Record], label: str, place: Place, metric: str) -> dict[int, float]:
    """The values of a metric, or of a cost (`cpu_seconds`, `total_cpu_seconds`)."""
    values = {}
    for record in records:
        if record.label == label and place_of(record.setting) == place:
            value = record.metrics.get(metric, getattr(record, metric, None))
            if value is not None:
                values[record.seed] = float(value)
    return values


def mean(values: Iterable[float]) -> Mean | None:
    """None without values."""
    values = list(values)
    if not values:
        return None
    return Mean(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else math.nan, len(values))


def difference(values: dict[int, float], base: dict[int, float]) -> Difference | None:
    """None without common seeds."""
    seeds = sorted(set(values) & set(base))
    if not seeds:
        return None
    differences = [values[seed] - base[seed] for seed in seeds]
    value, n = statistics.mean(differences), len(seeds)
    deviation = statistics.stdev(differences) if n > 1 else math.nan
    # Also nan: then the test would divide rounding errors by each other.
    if math.isnan(deviation) or deviation <= 1e-9 * max(abs(value), 1e-9):
        return Difference(value, math.nan, math.nan, n)
    p = ttest_rel([values[seed] for seed in seeds], [base[seed] for seed in seeds]).pvalue
    return Difference(value, deviation / math.sqrt(n), float(p), n)


def share_of_oracle(gain: Difference | None, oracle: Difference | None) -> float | None:
    """Which part of the oracle's gain a policy has; None where the oracle gains no more than its standard error."""
    if gain is None or oracle is None or not abs(oracle.value) > oracle.error:
        return None
    return gain.value / oracle.value


@dataclass(frozen=True)
class Row:
    """A label at a setting: of each metric the mean, the difference to the base, and the share of the oracle's gain."""

    label: str
    place: Place
    means: dict[str, Mean | None]
    differences: dict[str, Difference | None]
    shares: dict[str, float | None]


def rows(grid: Grid, records: Sequence[Record]) -> list[Row]:
    """In the grid's order; those without a record are left out."""
    made = []
    starts = {run.after for run in grid.runs} - {grid.base}  # of others: not compared with what comes after them
    for label, place in dict.fromkeys((run.label, place_of(run.setting)) for run in grid.runs):
        own = {metric: by_seed(records, label, place, metric) for metric in (*grid.reported, *COSTS)}
        if not any(own[metric] for metric in grid.reported):  # also a stage between others that measures nothing
            continue
        means = {metric: mean(values.values()) for metric, values in own.items()}
        gains, shares = {}, {}
        for metric in grid.metrics:
            base = _beside(grid, records, grid.base, place, metric)
            gains[metric] = None if label == grid.base or label in starts else difference(own[metric], base)
            best = difference(_beside(grid, records, grid.oracle, place, metric), base)
            shares[metric] = None if label == grid.oracle else share_of_oracle(gains[metric], best)
        made.append(Row(label, place, means, gains, shares))
    return made


COSTS = ('cpu_seconds', 'total_cpu_seconds')


def _beside(grid: Grid, records: Sequence[Record], label: str, place: Place, metric: str) -> dict[int, float]:
    """The values of a label that has no setting, which stands beside all others, or that has this one."""
    places = {place_of(run.setting) for run in grid.runs if run.label == label}
    return by_seed(records, label, () if places == {()} else place, metric)


def write_csv(path: Path, name: str, grid: Grid, table: Sequence[Row]) -> None:
    """A line for each label, setting and metric."""
    axes = list(dict.fromkeys(axis for row in table for axis, _ in row.place))
    columns = ['mean', 'deviation', 'n', 'difference', 'error', 'p', 'pairs', 'share_of_oracle']
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['grid', 'label', *axes, 'metric', *columns])
        for row in table:
            for metric, found in row.means.items():
                if found is None:
                    continue
                gain, share = row.differences.get(metric), row.shares.get(metric)
                about = [gain.value, gain.error, gain.p, gain.n] if gain else [None] * 4
                numbers = [found.value, found.deviation, found.n, *about, share]
                setting = dict(row.place)
                writer.writerow(
                    [name, row.label, *(setting.get(axis, '') for axis in axes), metric, *map(_number, numbers)]
                )


def _number(value: float | None) -> str:
    return '' if value is None or (isinstance(value, float) and math.isnan(value)) else f'{value:.6g}'


@dataclass(frozen=True)
class Comparison:
    """`label` minus `base` at a setting. `cost_ratio` is of their mean total costs."""

    label: str
    base: str
    place: Place
    means: dict[str, tuple[Mean | None, Mean | None]]
    differences: dict[str, Difference | None]
    cost_ratio: float


def comparisons(grid: Grid, records: Sequence[Record]) -> list[Comparison]:
    """Of the grid's pairs, wherever both have a common seed."""
    found = []
    for label, base in grid.pairs:
        for place in dict.fromkeys(place_of(run.setting) for run in grid.runs):
            ours, theirs = (
                {metric: by_seed(records, one, place, metric) for metric in (*grid.metrics, 'total_cpu_seconds')}
                for one in (label, base)
            )
            differences = {metric: difference(ours[metric], theirs[metric]) for metric in grid.metrics}
            if any(differences.values()):
                means = {
                    metric: (mean(ours[metric].values()), mean(theirs[metric].values())) for metric in grid.metrics
                }
                costs = [mean(values['total_cpu_seconds'].values()) for values in (ours, theirs)]
                found.append(Comparison(label, base, place, means, differences, costs[0].value / costs[1].value))
    return found
