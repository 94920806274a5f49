"""What a grid has found to be best, for the grids after it.

All policies are tuned by this function, from all of their runs or not at all. How many settings each may choose from is in
`variants.CHOICES`; what was best at the edge got a further one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from records import Record
from runs import Grid, Options
from tables import Place, by_seed, mean, of_grid, place_of

from sacl_mm.user_error import UserError


def tuned_options(
    name: str,
    grid: Grid,
    axes: Mapping[str, Mapping[Any, Options]],
    label: str,
    known: Sequence[Record],
    metric: str | None = None,
    floor: tuple[str, float] | None = None,
) -> Options:
    """The options of the setting with the highest mean of a metric.

    Args:
        axes: those that the grid was made with.
        metric: the grid's first one if not given.
        floor: a metric, and by how much it may be below that of the grid's base, which has one setting; settings further
            below are passed over, unless all are: then the highest in this metric counts.

    Raises:
        UserError: runs of the label are not recorded yet.
    """
    measure = metric or grid.metrics[0]
    found = _all_of(name, grid, known, label, label, measure)
    runs = [run for run in grid.runs if run.label == label]
    places = dict.fromkeys(place_of(run.setting) for run in runs)

    def value(place: Place, metric: str) -> float:
        return mean(by_seed(found, label, place, metric).values()).value

    candidates = list(places)
    if floor is not None:
        kept, allowed = floor
        base = _all_of(name, grid, known, grid.base, label, kept)
        least = mean(by_seed(base, grid.base, (), kept).values()).value - allowed
        candidates = [place for place in places if value(place, kept) >= least]
        if not candidates:
            measure, candidates = kept, list(places)
    best = max(candidates, key=lambda place: value(place, measure))
    return {key: value for axis, chosen in best for key, value in axes[axis][chosen].items()}


def _all_of(name: str, grid: Grid, known: Sequence[Record], label: str, tuned: str, metric: str) -> list[Record]:
    """The records of all runs of a label. UserError, for `tuned`, if one is missing or lacks the metric."""
    runs = [run for run in grid.runs if run.label == label]
    found = [r for r in of_grid(name, grid, known) if r.label == label and metric in r.metrics]
    if not runs or len(found) < len(runs):
        raise UserError(
            f"'{tuned}' is tuned by the grid '{name}', which has {len(found)} of its {len(runs)} runs of '{label}' with "
            f'{metric}: run it first'
        )
    return found
