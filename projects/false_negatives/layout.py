"""Where things stand in a figure: panels, their legend, scales of axes, names of points."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

_PANEL = (3.1, 2.7)  # inches
_CORNERS = ((7, 5, 'left', 'bottom'), (7, -5, 'left', 'top'), (-7, 5, 'right', 'bottom'), (-7, -5, 'right', 'top'))


def panel_grid(count: int, most: int, size: tuple[float, float] = _PANEL) -> tuple[Figure, list[Axes]]:
    columns = min(count, most)
    lines = math.ceil(count / columns)
    figure = Figure(figsize=(size[0] * columns + 0.3, size[1] * lines + 0.4), layout='constrained')
    all_axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in all_axes[count:]:
        axes.remove()
    return figure, all_axes[:count]


def legend(figure: Figure, all_axes: Sequence[Axes]) -> None:
    """One for all panels, above them."""
    entries = {}
    for axes in all_axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    columns = max(1, int(figure.get_figwidth() / 1.7))
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


def name_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Each name where it covers least: tries the four corners of its point."""
    taken = []
    spots = [axes.transData.transform((x, y)) for _, x, y in points]
    for name, x, y in points:
        best = None
        for dx, dy, ha, va in _CORNERS:
            text = axes.annotate(name, (x, y), (dx, dy), textcoords='offset points', ha=ha, va=va, fontsize=8)
            box = text.get_window_extent()
            inside = axes.get_window_extent()
            covered = sum(box.overlaps(other) for other in taken) + sum(box.contains(*spot) for spot in spots)
            covered += 2 * (box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1)
            if best is None or covered < best[0]:
                if best is not None:
                    best[1].remove()
                best = covered, text, box
            else:
                text.remove()
        taken.append(best[2])
