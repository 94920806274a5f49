"""The look of the figures, and where things stand in them.

Markers, line styles and hatches tell what colours tell: the figures can be read in black and white.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from PIL import Image

from sacl_mm.report.figures import COLOURS, GRID, INK, MUTED

# Not as many as colours: so a colour comes back with another line.
_LINES = ('-', (0, (5, 2)), (0, (1, 1.3)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = 'os^DvPXp<>'
_HATCHES = ('', '////', '....', 'xxxx', '\\\\\\\\', '++++')
_STYLE = {
    'text.parse_math': False,
    'font.sans-serif': ['DejaVu Sans'],
    'font.size': 9,
    'text.color': INK,
    'axes.labelcolor': INK,
    'axes.titlesize': 9,
    'axes.titlelocation': 'left',
    'axes.edgecolor': MUTED,
    'xtick.color': INK,
    'ytick.color': INK,
    'grid.color': GRID,
    'axes.grid': True,
    'axes.axisbelow': True,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.formatter.useoffset': False,
    'legend.frameon': False,
    'legend.handlelength': 3.2,
    'lines.linewidth': 1.5,
    'lines.markersize': 5.5,
    'errorbar.capsize': 2.5,
    'hatch.linewidth': 0.7,
    'hatch.color': INK,
}


@dataclass(frozen=True)
class Look:
    """Of a policy, the same in all figures of a grid. `style` is for lines with markers, `bar` for bars."""

    colour: str
    line: str | tuple
    marker: str
    hatch: str

    @property
    def style(self) -> dict:
        return dict(
            color=self.colour, linestyle=self.line, marker=self.marker, markerfacecolor='white', markeredgewidth=1.3
        )

    @property
    def bar(self) -> dict:
        return dict(facecolor=self.colour + '55', edgecolor=INK, hatch=self.hatch, linewidth=0.8)


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """A look for each label, in their order."""
    parts = (COLOURS, _LINES, _MARKERS, _HATCHES)
    return {
        label: Look(*(part[number % len(part)] for part in parts)) for number, label in enumerate(dict.fromkeys(labels))
    }


@contextmanager
def drawing() -> Iterator[None]:
    """Within it figures have this style; matplotlib's own settings stay as they are."""
    with matplotlib.style.context(['default', _STYLE]):
        yield


def save(figure: Figure, path: Path) -> None:
    """As PNG of few colours: a third of the size, smaller than SVG."""
    with drawing():
        png = io.BytesIO()
        figure.savefig(png, format='png', facecolor='white', dpi=160)
    Image.open(png).convert('RGB').quantize(64).save(path, optimize=True)


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
            line = (
                handle[0] if isinstance(handle, ErrorbarContainer) else handle
            )  # error bars would hide a marker's shape
            entries.setdefault(label, line)
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
