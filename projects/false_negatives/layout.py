"""Where things stand in a figure: panels, their legend, scales of axes."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

_PANEL = (3.1, 2.7)  # inches


def panel_grid(count: int, most: int, size: tuple[float, float] = _PANEL) -> tuple[Figure, list[Axes]]:
    columns = min(count, most)
    lines = math.ceil(count / columns)
    figure = Figure(figsize=(size[0] * columns + 0.3, size[1] * lines + 0.4), layout='constrained')
    all_axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in all_axes[count:]:
        axes.remove()
    return figure, all_axes[:count]


def legend(figure: Figure, all_axes: Sequence[Axes]) -> None:
    """One for all panels: above them, or beside them where it would be higher than wide."""
    entries = {}
    for axes in all_axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    inches = 0.75 + 0.075 * max(map(len, entries))  # of the longest entry, about
    columns = max(1, int(figure.get_figwidth() / inches))
    if columns == 1 and len(entries) > 4:
        figure.set_figwidth(figure.get_figwidth() + inches)
        figure.legend(entries.values(), entries.keys(), loc='outside right upper')
    else:
        figure.legend(entries.values(), entries.keys(), loc='outside upper left', ncols=min(columns, len(entries)))


def scale(axes: Axes, values: Sequence[Any]) -> tuple[dict[Any, float], float]:
    """Where each value of an axis stands, and the width of all (in logarithms where the scale is logarithmic): true to scale
    for numbers, else at equal distances."""
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        axes.set_xticks(range(len(values)), [str(value) for value in values])
        axes.set_xlim(-0.5, len(values) - 0.5)
        return {value: float(number) for number, value in enumerate(values)}, float(len(values))
    low, high = min(values), max(values)
    if low > 0 and high / low >= 8:
        axes.set_xscale('log')
        axes.xaxis.set_minor_locator(NullLocator())
        width = math.log(high / low)
    else:
        width = float(high - low) or 1.0
    axes.xaxis.set_major_locator(FixedLocator(sorted(values)))
    axes.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    return {value: float(value) for value in values}, width
