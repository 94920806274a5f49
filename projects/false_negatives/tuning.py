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
    runs = [run for run in grid.runs if run.label == label]
    found = [record for record in of_grid(name, grid, known) if record.label == label]
    if not runs or len(found) < len(runs):
        raise UserError(
            f"'{label}' is tuned by the grid '{name}', which has {len(found)} of its {len(runs)} runs: run it first"
        )
    places = dict.fromkeys(place_of(run.setting) for run in runs)

    def value(place: Place, metric: str) -> float:
        return mean(by_seed(found, label, place, metric).values()).value

    measure, candidates = metric or grid.metrics[0], list(places)
    if floor is not None:
        kept, allowed = floor
        base = [r for r in of_grid(name, grid, known) if r.label == grid.base]
        least = mean(by_seed(base, grid.base, (), kept).values()).value - allowed
        candidates = [place for place in places if value(place, kept) >= least]
        if not candidates:
            measure, candidates = kept, list(places)
    best = max(candidates, key=lambda place: value(place, measure))
    return {key: value for axis, chosen in best for key, value in axes[axis][chosen].items()}
