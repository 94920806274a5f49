"""Two or more distributions over common bins, as SVG text."""

from dataclasses import dataclass

import numpy as np

from sacl_mm.report.axes import COLOURS, INK, Frame, draw_axes, draw_legend, svg, text


@dataclass(frozen=True)
class Group:
    """Values of one kind; `colour` is a key of `axes.COLOURS`."""

    label: str
    values: np.ndarray
    colour: str


def histogram(title: str, groups: list[Group], x_label: str, line_at: float, line_label: str, bins: int = 40) -> str:
    """Each group's share of values per bin, in percent of that group; values beyond the last bin are counted in it.

    `line_at` is marked by an upright line.
    """
    pooled = np.concatenate([group.values for group in groups])
    # Without the last half percent: a few large values would squeeze all others into a corner.
    high = max(float(np.quantile(pooled, 0.995)) if pooled.size else 0.0, 1.2 * line_at)
    edges = np.linspace(0, high, bins + 1)
    shares = [100 * np.histogram(np.minimum(g.values, high), edges)[0] / max(1, g.values.size) for g in groups]
    highest = max(float(share.max()) for share in shares) or 1.0
    frame = Frame((0, high), (0, 1.08 * highest), width=540, height=320)
    drawn = ''.join(_area(s, edges, COLOURS[group.colour], frame) for group, s in zip(groups, shares, strict=True))
    x = frame.x(line_at)
    drawn += (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top}" y2="{frame.height - frame.bottom}" stroke-width="2" '
        f'stroke-dasharray="6 4" style="stroke:{INK}"/>' + text(x + 6, frame.top + 12, line_label)
    )
    legend = draw_legend(frame, [(group.label, COLOURS[group.colour], '') for group in groups])
    return svg(frame, title, draw_axes(frame, x_label, 'share of the group, %') + drawn + legend)


def _area(shares: np.ndarray, edges: np.ndarray, colour: str, frame: Frame) -> str:
    """Steps, filled thinly so that what lies behind still shows."""
    steps = [f'{frame.x(edges[0]):.1f},{frame.y(0):.1f}']
    for share, low, high in zip(shares, edges, edges[1:], strict=False):
        steps += [f'{frame.x(low):.1f},{frame.y(share):.1f}', f'{frame.x(high):.1f},{frame.y(share):.1f}']
    steps.append(f'{frame.x(edges[-1]):.1f},{frame.y(0):.1f}')
    return f'<polygon points="{" ".join(steps)}" fill-opacity="0.28" stroke-width="2" style="fill:{colour};stroke:{colour}"/>'
