"""What a grid has found to be best, for the grids after it.

All policies are tuned by this function, from all of their runs or not at all. How many settings each may choose from is in
`variants.CHOICES`; what was best at the edge got a further one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from records import Record
from runs import Grid, Options
from tables import by_seed, mean, of_grid, place_of

from sacl_mm.user_error import UserError


def tuned_options(
    name: str, grid: Grid, axes: Mapping[str, Mapping[Any, Options]], label: str, known: Sequence[Record]
) -> Options:
    """The options of the setting with the highest mean of the grid's first metric.

    Args:
        axes: those that the grid was made with.

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
    best = max(places, key=lambda place: mean(by_seed(found, label, place, grid.metrics[0]).values()).value)
    return {key: value for axis, chosen in best for key, value in axes[axis][chosen].items()}
