"""The ground of a chart, as SVG text: scales, ticks, grid, legend. Units: those of the SVG's viewBox.

Colours are CSS variables of the page with a fallback, so that a chart follows the page's light or dark theme and can also
stand alone.
"""

import math
from dataclasses import dataclass
from html import escape

from sacl_mm.user_error import printable

INK, MUTED, GRID = 'var(--ink, #1b1f24)', 'var(--muted, #57606a)', 'var(--grid, #d8dee4)'
# From the palette of Okabe and Ito, which people of any colour vision tell apart.
COLOURS = {
    'infonce': 'var(--infonce, #b8500b)',
    'sacl': 'var(--sacl, #0072b2)',
    'false-negative': 'var(--false-negative, #c2185b)',
    'true-negative': 'var(--true-negative, #5f7285)',
}


@dataclass(frozen=True)
class Frame:
    """Where data coordinates lie in a picture of `width` x `height`."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int = 480
    height: int = 300
    left: int = 72
    right: int = 14
    top: int = 34
    bottom: int = 46

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)


def finite_range(values: list[float], margin: float = 0.05) -> tuple[float, float]:
    """From the least to the largest finite value, a little wider; (0, 1) if there is none, and never empty."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    extra = margin * (high - low) or 0.5 * abs(high) or 0.5
    return low - extra, high + extra


def ticks(low: float, high: float, about: int = 6, least_step: float = 0.0) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten apart, but at least `least_step`) inside [low, high]."""
    rough = max((high - low) / about, least_step)
    power = 10.0 ** math.floor(math.log10(rough))
    # 2.5 is no whole number.
    factors = (1, 2, 2.5, 5, 10) if least_step * 2.5 < power else (1, 2, 5, 10)
    step = next(factor * power for factor in factors if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Rounded: 3 * 0.1 is not 0.3. Clipped: what is rounded may lie outside by the last bit.
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [min(max(round(i * step, digits), low), high) for i in range(first, last + 1)]


def draw_axes(frame: Frame, x_label: str, y_label: str, least_x_step: float = 0.0) -> str:
    """Grid, tick labels and axis labels."""
    left, right = frame.left, frame.width - frame.right
    bottom = frame.height - frame.bottom
    parts = []
    for value in ticks(*frame.y_range):
        y = frame.y(value)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" style="stroke:{GRID}"/>')
        parts.append(text(left - 7, y + 4, f'{value:.6g}', anchor='end', css='tick'))
    for value in ticks(*frame.x_range, least_step=least_x_step):
        x = frame.x(value)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}" style="stroke:{MUTED}"/>'
            + text(x, bottom + 19, f'{value:.6g}', anchor='middle', css='tick')
        )
    parts.append(f'<line x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}" style="stroke:{MUTED}"/>')
    parts.append(text((left + right) / 2, frame.height - 6, x_label, anchor='middle'))
    middle = (frame.top + bottom) / 2
    parts.append(text(13, middle, y_label, anchor='middle', transform=f'rotate(-90 13 {middle:.1f})'))
    return ''.join(parts)


def draw_legend(frame: Frame, entries: list[tuple[str, str, str]]) -> str:
    """One line above the chart; an entry is (label, colour, dash pattern or '')."""
    parts, x = [], 8.0
    for label, colour, dash in entries:
        parts.append(
            f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="16" y2="16" stroke-width="3" stroke-dasharray="{dash}" '
            f'style="stroke:{colour}"/>' + text(x + 28, 20.5, label)
        )
        x += 28 + 6.8 * len(label) + 14
    return ''.join(parts)


def text(
    x: float, y: float, content: str, anchor: str = 'start', css: str = 'label', transform: str | None = None
) -> str:
    colour = MUTED if css == 'tick' else INK
    turned = f' transform="{transform}"' if transform else ''
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="13"{turned} style="fill:{colour}">'
        f'{escape(printable(content))}</text>'
    )


def svg(frame: Frame, title: str, content: str) -> str:
    """The whole picture; `title` is what a screen reader says."""
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {frame.width} {frame.height}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif"><title>{escape(printable(title))}</title>'
        f'{content}</svg>'
    )
