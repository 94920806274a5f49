"""Pairs of labels that a grid compares beside those with its base: equal costs, say."""

from collections.abc import Sequence
from dataclasses import dataclass

from records import Record
from runs import Grid
from tables import Difference, Mean, Place, by_seed, difference, mean, place_of


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
