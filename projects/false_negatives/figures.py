"""The figures of the study, as functions from numbers to figures."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from style import Look, drawing, legend, looks, panel_grid, scale
from tables import Difference, Mean

from sacl_mm.report.figures import INK, MUTED


@dataclass(frozen=True)
class Panel:
    """Differences by label and value of an axis."""

    title: str
    axis: str
    lines: Mapping[str, Mapping[Any, Difference]]


def gain_figure(rows: Sequence[Sequence[Panel]], look: Mapping[str, Look], base: str) -> Figure:
    """Gain over the base against an axis: a row a measure, a panel an axis, a line a policy. Error bars are standard errors of
    the paired difference.

    Args:
        rows: as many panels each.
    """
    with drawing():
        # A measure a row; of a single axis, beside each other.
        figure, all_axes = panel_grid(sum(map(len, rows)), most=len(rows[0]) if len(rows[0]) > 1 else len(rows))
        for panel, axes in zip(itertools.chain(*rows), all_axes, strict=True):
            values = list(dict.fromkeys(value for line in panel.lines.values() for value in line))
            place, width = scale(axes, values)
            for number, (label, line) in enumerate(panel.lines.items()):
                # A little beside each other, so that error bars do not cover each other.
                beside = (number - (len(panel.lines) - 1) / 2) * 0.012 * width
                found = [line[value] for value in sorted(line, key=place.__getitem__)]
                x, y = sorted(place[value] for value in line), [one.value for one in found]
                errors = None if any(math.isnan(one.error) for one in found) else [one.error for one in found]
                x = np.exp(np.log(x) + beside) if axes.get_xscale() == 'log' else np.array(x) + beside
                axes.errorbar(x, y, errors, label=label, elinewidth=1, **look[label].style)
            axes.axhline(0, color=INK, linewidth=1)
            axes.set(title=panel.title, xlabel=panel.axis, ylabel=f'difference to {base}')
        legend(figure, all_axes)
    return figure


@dataclass(frozen=True)
class Point:
    label: str
    x: Mean
    y: Mean


def frontier_figure(
    panels: Mapping[str, Sequence[Point]], look: Mapping[str, Look], x_label: str, y_label: str
) -> Figure:
    """What policies give up for what: a panel a setting, a point a policy, with standard deviations. The line joins those
    that no other one beats in both measures, of which more is better; their markers are filled."""
    with drawing():
        figure, all_axes = panel_grid(len(panels), most=2, size=(4.6, 3.5))
        for (title, points), axes in zip(panels.items(), all_axes, strict=True):
            front = sorted(
                (p for p in points if not any(_beats(other, p) for other in points)), key=lambda p: p.x.value
            )
            axes.plot([p.x.value for p in front], [p.y.value for p in front], color=MUTED, linestyle='--', linewidth=1)
            for point in points:
                errors = [None if math.isnan(m.deviation) else m.deviation for m in (point.y, point.x)]
                style = {**look[point.label].style, 'linestyle': '', 'markersize': 7}
                if point in front:
                    style['markerfacecolor'] = look[point.label].colour
                axes.errorbar(point.x.value, point.y.value, *errors, label=point.label, elinewidth=0.8, **style)
            axes.set(title=title, xlabel=x_label, ylabel=y_label)
            axes.margins(0.15)
        legend(figure, all_axes)
    return figure


def curves_figure(
    curves: Mapping[str, Mapping[str, Sequence[float]]], look: Mapping[str, Look], panels: Mapping[str, str]
) -> Figure:
    """What training logged, a panel a quantity, a line a policy. Where the policy has a target for the information with
    negatives, small filled markers show it.

    Args:
        curves: by label, `iter` and the quantities.
        panels: titles of quantities, by their names.
    """
    with drawing():
        figure, all_axes = panel_grid(len(panels), most=3)
        for (name, title), axes in zip(panels.items(), all_axes, strict=True):
            for label, curve in curves.items():
                if name in curve:
                    every = max(1, len(curve['iter']) // 6)
                    axes.plot(curve['iter'], curve[name], label=label, markevery=every, **look[label].style)
                target = curve.get(f'{name}_target', ())
                if any(target):
                    dots = dict(color=look[label].colour, linestyle='', marker=look[label].marker, markersize=3)
                    axes.plot(curve['iter'], target, markevery=max(1, len(target) // 12), **dots)
            axes.set(title=title, xlabel='iteration', ylabel='nats')
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        legend(figure, all_axes)
    return figure


def weights_figure(panels: Mapping[str, Mapping[str, Sequence[int]]], edges: Sequence[float]) -> Figure:
    """Bars: which share of a group's weights is between two edges, a panel a policy; the last bin counts what is above, too.

    Args:
        panels: by policy, the counts of each group.
    """
    names = [f'{low:g}-{high:g}' for low, high in itertools.pairwise(edges)]
    names = [f'< {edges[1]:g}', *names[1:-1], f'> {edges[-2]:g}']
    groups = looks(itertools.chain(*panels.values()))
    with drawing():
        figure, all_axes = panel_grid(len(panels), most=2, size=(4.6, 2.8))
        for (title, counts), axes in zip(panels.items(), all_axes, strict=True):
            width = 0.8 / len(counts)
            for number, (label, group) in enumerate(counts.items()):
                x = np.arange(len(group)) + (number - (len(counts) - 1) / 2) * width
                axes.bar(x, 100 * np.array(group) / max(1, sum(group)), width, label=label, **groups[label].bar)
            axes.set_xticks(range(len(names)), names, rotation=35, ha='right', rotation_mode='anchor')
            axes.set(title=title, xlabel='weight of a negative', ylabel='share, %')
            axes.grid(visible=False, axis='x')
        legend(figure, all_axes)
    return figure


def bars_figure(
    bars: Mapping[str, Mapping[str, Mean]], differences: Mapping[str, Difference | None], look: Mapping[str, Look]
) -> Figure:
    """Bars beside each other with their standard deviations, a panel a measure; above them their paired difference."""
    with drawing():
        figure, all_axes = panel_grid(len(bars), most=4, size=(2.2, 2.8))
        for (measure, means), axes in zip(bars.items(), all_axes, strict=True):
            for number, (label, found) in enumerate(means.items()):
                error = 0 if math.isnan(found.deviation) else found.deviation
                style = look[label].bar
                axes.bar(number, found.value, 0.62, yerr=error, label=label, error_kw=dict(elinewidth=1), **style)
                place = (number, max(0, found.value + error))
                axes.annotate(f'{found.value:.2f}', place, (0, 3), textcoords='offset points', ha='center', fontsize=8)
            found = differences[measure]
            about = (
                ''
                if found is None
                else f'\n{found.value:+.2f}' + ('' if math.isnan(found.error) else f' ± {found.error:.2f}')
            )
            axes.set(title=f'{measure}{about}', xlim=(-0.7, len(means) - 0.3))
            axes.margins(y=0.12)
            axes.xaxis.set_major_locator(NullLocator())
            axes.grid(visible=False, axis='x')
        legend(figure, all_axes)
    return figure


def dots_figure(rows: Mapping[str, Mapping[str, Difference | None]], look: Mapping[str, Look], base: str) -> Figure:
    """A table of dots: a row a policy, a column a measure; differences to the base with their standard errors. Filled where
    p < 0.05 (paired, not corrected)."""
    measures = list(next(iter(rows.values())))
    with drawing():
        size = (1.4 + 2.1 * len(measures), 0.9 + 0.3 * len(rows))
        figure = Figure(figsize=size, layout='constrained')
        all_axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axes, measure in zip(all_axes, measures, strict=True):
            for number, found in enumerate(rows.values()):
                if (one := found[measure]) is None:
                    continue
                error = None if math.isnan(one.error) else one.error
                style = dict(color=INK, marker='o', markerfacecolor=INK if one.p < 0.05 else 'white')
                axes.errorbar(one.value, number, xerr=error, linestyle='', elinewidth=1, **style)
            axes.axvline(0, color=INK, linewidth=1)
            axes.set(title=measure, ylim=(len(rows) - 0.5, -0.5))
            axes.tick_params(axis='y', length=0)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.spines['left'].set_visible(False)
        all_axes[0].set_yticks(range(len(rows)), list(rows))
        figure.supxlabel(f'difference to {base}; filled: p < 0.05', fontsize=8.5)
    return figure


def _beats(one: Point, other: Point) -> bool:
    at_least = one.x.value >= other.x.value and one.y.value >= other.y.value
    return at_least and (one.x.value, one.y.value) != (other.x.value, other.y.value)
