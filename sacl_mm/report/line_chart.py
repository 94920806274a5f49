"""Curves over a common axis, as SVG text."""

import math
from dataclasses import dataclass

from sacl_mm.report.axes import COLOURS, Frame, draw_axes, draw_legend, finite_range, svg, text
from sacl_mm.report.scalars import Curve


@dataclass(frozen=True)
class Series:
    """A curve; `colour` is a key of `axes.COLOURS`, `dash` an SVG dash pattern."""

    label: str
    points: Curve
    colour: str
    dash: str = ''


def line_chart(title: str, series: list[Series], x_label: str, y_label: str) -> str:
    """One line a series, broken where a value is not finite. Abscissas are whole numbers: iterations or epochs."""
    points = [point for one in series for point in one.points]
    usable = [(x, y) for x, y in points if math.isfinite(y)]
    frame = Frame(finite_range([x for x, _ in usable], margin=0.02), finite_range([y for _, y in usable]))
    drawn = ''.join(_draw(one, frame) for one in series)
    if not usable:
        drawn = text(frame.width / 2, frame.height / 2, 'nothing was logged', anchor='middle')
    legend = draw_legend(frame, [(one.label, COLOURS[one.colour], one.dash) for one in series])
    return svg(frame, title, draw_axes(frame, x_label, y_label, least_x_step=1) + drawn + legend)


def _draw(series: Series, frame: Frame) -> str:
    pieces: list[Curve] = [[]]
    for x, y in series.points:
        if math.isfinite(y):
            pieces[-1].append((frame.x(x), frame.y(y)))
        else:
            pieces.append([])
    colour = COLOURS[series.colour]
    parts = []
    for piece in filter(None, pieces):
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in piece)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke-width="2.4" stroke-linejoin="round" '
            f'stroke-dasharray="{series.dash}" style="stroke:{colour}"/>'
        )
        # Dots also show where a sparse curve was measured at all.
        if len(piece) <= 12:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" style="fill:{colour}"/>' for x, y in piece]
    return ''.join(parts)
