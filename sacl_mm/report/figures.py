"""Figures as SVG: deterministic, legible in black and white, without a trace in matplotlib's global settings.

In a page (`inline_svg`) a figure's colours are the page's CSS variables, so that it follows the light or dark theme.
"""

import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.style
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sacl_mm.report.runs import Curve
from sacl_mm.user_error import printable

INK, MUTED, GRID = '#1b1f24', '#57606a', '#d8dee4'
# From the palette of Okabe and Ito, which people of any colour vision tell apart; line styles and markers tell as well.
COLOURS = ('#b8500b', '#0072b2', '#00734f', '#8a4fa8', '#7d5c00', '#5f7285')
FALSE_NEGATIVE, TRUE_NEGATIVE = '#c2185b', '#5f7286'
_LINES, _MARKERS = ('-', '--', '-.', (0, (1, 1.2))), 'osD^vX'
_GROUPS = ((FALSE_NEGATIVE, '////'), (TRUE_NEGATIVE, ''))
_VARIABLES = {
    **{INK: 'ink', MUTED: 'muted', GRID: 'grid', FALSE_NEGATIVE: 'false-negative', TRUE_NEGATIVE: 'true-negative'},
    **{colour: f'run-{i}' for i, colour in enumerate(COLOURS)},
}
_STYLE = {
    'svg.fonttype': 'none',
    'text.parse_math': False,
    'font.sans-serif': ['DejaVu Sans'],
    'font.size': 9.5,
    'text.color': INK,
    'axes.labelcolor': INK,
    'axes.edgecolor': MUTED,
    'xtick.color': MUTED,
    'ytick.color': MUTED,
    'grid.color': GRID,
    'axes.grid': True,
    'axes.grid.axis': 'y',
    'axes.axisbelow': True,
    'axes.labelpad': 6.0,
    'axes.spines.left': False,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.formatter.useoffset': False,
    'ytick.left': False,
    'legend.frameon': False,
    'legend.handlelength': 2.6,
    'lines.linewidth': 1.8,
    'lines.markersize': 4.5,
    'hatch.linewidth': 0.6,
}
_LONGEST_LABEL = 28


@dataclass(frozen=True)
class Line:
    """A curve of run number `run`, which gives it its colour, line style and marker; a target is shown as dots only."""

    label: str
    points: Curve
    run: int
    is_target: bool = False


@dataclass(frozen=True)
class Point:
    """A measurement with its standard deviation; points of one kind share colour and marker."""

    label: str
    x: float
    y: float
    spread: float
    kind: str


def line_figure(title: str, lines: Sequence[Line], x_label: str, y_label: str) -> Markup:
    """One line a curve, broken where a value is not finite. Abscissas are whole numbers: iterations or epochs."""
    with matplotlib.style.context(['default', _STYLE]):
        figure, axes = _empty_figure(x_label, y_label)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        for line in lines:
            x, y = np.array(line.points, dtype=float).reshape(-1, 2).T
            is_sparse = line.is_target or len(x) <= 12
            axes.plot(
                x,
                np.where(np.isfinite(y), y, np.nan),
                color=COLOURS[line.run % len(COLOURS)],
                linestyle='' if line.is_target else _LINES[line.run % len(_LINES)],
                marker=_MARKERS[line.run % len(_MARKERS)] if is_sparse else None,
                markersize=2.5 if line.is_target else None,
                label=_short(line.label),
            )
        abscissas = {x for line in lines for x, _ in line.points}
        if len(abscissas) == 1:
            axes.set_xlim(min(abscissas) - 1, max(abscissas) + 1)
        if not any(math.isfinite(y) for line in lines for _, y in line.points):
            axes.text(0.5, 0.5, 'nothing was logged', transform=axes.transAxes, ha='center')
        return inline_svg(figure, title)


def histogram(title: str, groups: Mapping[str, np.ndarray], x_label: str, line_at: float, line_label: str) -> Markup:
    """Each group's share of values per bin, in percent of that group. The last group is of true negatives.

    Values beyond the last bin are counted in it. `line_at` is marked by an upright line.
    """
    pooled = np.concatenate(list(groups.values()))
    # Without the last half percent: a few large values would squeeze all others into a corner.
    high = max(float(np.quantile(pooled, 0.995)) if pooled.size else 0.0, 1.2 * line_at)
    edges = np.linspace(0, high, 41)
    with matplotlib.style.context(['default', _STYLE]):
        figure, axes = _empty_figure(x_label, 'share of the group, %')
        for (label, values), (colour, hatch) in zip(groups.items(), _GROUPS[-len(groups) :], strict=True):
            share = 100 * np.histogram(np.minimum(values, high), edges)[0] / max(1, values.size)
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.28, hatch=hatch, label=label)
            axes.stairs(share, edges, color=colour, linewidth=1.5)
        axes.set(xlim=(0, high), ylim=(0, None))
        axes.axvline(line_at, color=INK, linestyle='--', linewidth=1.3)
        axes.annotate(
            line_label, (line_at, 1), (4, -9), xycoords=axes.get_xaxis_transform(), textcoords='offset points'
        )
        return inline_svg(figure, title)


def point_figure(points: Sequence[Point], x_label: str, y_label: str) -> Figure:
    """Each point with its bar of one standard deviation and its name.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    if not points or not all(math.isfinite(value) for point in points for value in (point.x, point.y, point.spread)):
        raise ValueError('a figure of points needs points, and all of them finite')
    kinds = list(dict.fromkeys(point.kind for point in points))
    with matplotlib.style.context(['default', _STYLE]):
        figure, axes = _empty_figure(x_label, y_label)
        for number, kind in enumerate(kinds):
            own = [point for point in points if point.kind == kind]
            x, y, spread = zip(*((point.x, point.y, point.spread) for point in own), strict=True)
            marker = _MARKERS[number % len(_MARKERS)]
            axes.errorbar(x, y, spread, fmt=marker, color=COLOURS[number % len(COLOURS)], label=_short(kind))
        axes.margins(x=0.16, y=0.1)
        for number, point in enumerate(sorted(points, key=lambda point: (point.x, point.y))):
            # Neighbours' names stand above and below in turn.
            above = number % 2 == 1
            axes.annotate(
                printable(point.label),
                (point.x, point.y),
                (5, 4 if above else -4),
                textcoords='offset points',
                va='bottom' if above else 'top',
            )
    return figure


def inline_svg(figure: Figure, title: str) -> Markup:
    """The figure for a page; `title` is what a screen reader says."""
    title = printable(title)
    svg = plain_svg(figure, salt=title)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f'var(--{variable})')
    # No two elements of a page may share an id, and matplotlib numbers its groups anew in each figure.
    svg = re.sub(r'<g id="[^"]*"', '<g', svg)
    label = Markup('<svg class="figure" role="img" aria-label="{}"').format(title)
    return Markup(svg.replace('<svg', label, 1))


def plain_svg(figure: Figure, salt: str = '') -> str:
    """The figure as a file of its own; the same figure gives the same bytes. `salt` enters the ids of its parts."""
    file = io.StringIO()
    with matplotlib.style.context(['default', _STYLE, {'svg.hashsalt': f'sacl_mm {salt}'}]), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Glyph')  # of a name; the browser's fonts have it
        for axes in figure.axes:
            if axes.get_legend_handles_labels()[0]:
                figure.legend(loc='outside upper left', ncols=2)
        nothing = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
        figure.savefig(file, format='svg', metadata=nothing, transparent=True)
    svg = file.getvalue()
    return svg[svg.index('<svg') :]


def _empty_figure(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, 3.1), layout='constrained')
    axes = figure.add_subplot()
    axes.set_xlabel(printable(x_label))
    axes.set_ylabel(printable(y_label))
    return figure, axes


def _short(label: str) -> str:
    label = printable(label)
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + '…'
