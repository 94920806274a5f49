"""Named points with their spread on both axes' common ground, as SVG text."""

import math
from dataclasses import dataclass

from sacl_mm.report.axes import COLOURS, Frame, draw_axes, draw_legend, finite_range, svg, text


@dataclass(frozen=True)
class Point:
    """A measurement; `spread` is half the length of its upright bar, `colour` a key of `axes.COLOURS`."""

    label: str
    x: float
    y: float
    spread: float
    colour: str


def point_chart(title: str, points: list[Point], x_label: str, y_label: str, legend: dict[str, str]) -> str:
    """Each point with its bar and its name; `legend` names the colours.

    Raises:
        ValueError: no points, or one that is not finite.
    """
    if not points or not all(math.isfinite(value) for point in points for value in (point.x, point.y, point.spread)):
        raise ValueError('a chart of points needs points, and all of them finite')
    ends = [point.y + sign * point.spread for point in points for sign in (-1, 1)]
    # Names stand to the right of their points.
    frame = Frame(finite_range([point.x for point in points], margin=0.16), finite_range(ends, margin=0.1), width=560)
    places = [(frame.x(point.x), frame.y(point.y)) for point in points]
    drawn = ''.join(_draw(point, frame, places) for point in points)
    entries = [(label, COLOURS[colour], '') for colour, label in legend.items()]
    return svg(frame, title, draw_axes(frame, x_label, y_label) + drawn + draw_legend(frame, entries))


def _draw(point: Point, frame: Frame, places: list[tuple[float, float]]) -> str:
    x, y, colour = frame.x(point.x), frame.y(point.y), COLOURS[point.colour]
    # Above the point, or below it where another point would lie behind the name.
    hidden = any(x + 4 < other_x < x + 9 + 7 * len(point.label) and y - 24 < other_y < y for other_x, other_y in places)
    low, high = frame.y(point.y - point.spread), frame.y(point.y + point.spread)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke-width="2" style="stroke:{colour}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" style="fill:{colour}"/>'
        + text(x + 9, y + 17 if hidden else y - 7, point.label)
    )
