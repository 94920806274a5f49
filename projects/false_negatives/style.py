"""The look of the figures. Markers, line styles and hatches tell what colours tell: they can be read in black and white."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure
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
