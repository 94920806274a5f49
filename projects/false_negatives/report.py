"""Tables and figures of all grids, from the records alone."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import figures
from figures import Panel, Point
from logged import EDGES
from markdown_tables import comparisons_table, differences_table, means_table, name_of
from records import Record
from runs import CHOICE, Grid
from style import Look, looks, save
from tables import Place, Row, comparisons, of_grid, place_of, rows, write_csv

from sacl_mm.user_error import UserError, did_you_mean

_CURVES = {
    'mi_positive': 'MI with positives',
    'mi_negative': 'MI with negatives (filled: target)',
    'mi_false_negative': 'MI with false negatives',
    'mi_true_negative': 'MI with true negatives',
}


def write_report(name: str, grid: Grid, known: Sequence[Record], folder: Path) -> list[Path]:
    """`NAME.md`, `NAME.csv` and `NAME_*.png`; nothing if nothing is recorded. Returns what was written.

    Raises:
        UserError: no record has a measure that the grid reports.
    """
    found = of_grid(name, grid, known)
    if not found:
        return []
    measured = sorted(set().union(*(record.metrics for record in found)))
    for metric in grid.reported:
        if metric not in measured:
            known_ones = did_you_mean(metric, measured) or f'; there are {", ".join(measured)}'
            raise UserError(f"grid '{name}': no record has the measure '{metric}'{known_ones}")
    folder.mkdir(parents=True, exist_ok=True)
    table = rows(grid, found)
    pairs = comparisons(grid, found)
    drawn = {folder / f'{name}_{kind}.png': figure for kind, figure in _figures(grid, table, found).items()}
    for path, figure in drawn.items():
        save(figure, path)
    write_csv(folder / f'{name}.csv', name, grid, table)
    commits = sorted({str(record.commit) + ('*' if record.dirty else '') for record in found})
    minutes = sum({record.key: record.cpu_seconds for record in found}.values()) / 60
    parts = [
        f'# {name}\n\n{len(found)} of {len(grid.runs)} runs, {minutes:.0f} CPU minutes; commits {", ".join(commits)}'
        + (' (* with changes that were not committed)' if any(record.dirty for record in found) else '')
        + '.\n',
        'Mean ± standard deviation over seeds. The last column adds the cost of the runs that a policy needs before.\n',
        means_table(grid, table),
        *_differences(grid, table),
        *(['Other pairs, likewise.\n', comparisons_table(pairs)] if pairs else []),
        *(f'![{path.stem}]({path.name})\n' for path in drawn),
    ]
    (folder / f'{name}.md').write_text('\n'.join(parts), encoding='utf-8')
    return [folder / f'{name}.md', folder / f'{name}.csv', *drawn]


def _differences(grid: Grid, table: Sequence[Row]) -> list[str]:
    if not any(any(row.differences.values()) for row in table):
        return [f'Nothing is recorded that could be compared with {grid.base}.\n']
    about = (
        f'Difference to {grid.base} with the same seed: mean ± standard error, p of the paired t-test, not corrected for the '
        'number of tests.\n'
    )
    return [about, differences_table(grid, table)]


def _figures(grid: Grid, table: Sequence[Row], found: Sequence[Record]) -> dict[str, figures.Figure]:
    """Those that the grid's records have something for, by kind. Of several settings, the first is the centre."""
    look = looks(run.label for run in grid.runs)
    centre = table[0].place
    drawn = {}
    panels = [_panels(table, metric) for metric in grid.metrics[:2]]
    if any(panels):
        drawn['gain'] = figures.gain_figure(panels, look, grid.base)
    gains = {
        row.label: {name_of(metric): row.differences[metric] for metric in grid.metrics}
        for row in table
        if row.place == centre and any(row.differences.values())
    }
    if gains:
        drawn['dots'] = figures.dots_figure(gains, look, grid.base)
    if grid.frontier:
        drawn['frontier'] = figures.frontier_figure(_points(grid, table), look, *map(name_of, grid.frontier))
    if grid.weights:
        drawn |= _learned([record for record in found if place_of(record.setting) == centre], look)
    for pair in comparisons(grid, found):
        if pair.place == centre:
            bars = {
                name_of(metric): dict(zip((pair.base, pair.label), reversed(means), strict=True))
                for metric, means in pair.means.items()
            }
            differences = {name_of(metric): one for metric, one in pair.differences.items()}
            kind = f'{_file_name(pair.label)}_and_{_file_name(pair.base)}'
            drawn[kind] = figures.bars_figure(bars, differences, look)
    return drawn


def _learned(found: Sequence[Record], look: Mapping[str, Look]) -> dict[str, figures.Figure]:
    """What the trainings logged, and the weights in the end."""
    drawn = {}
    if curves := _mean_curves(found):
        logged = set().union(*curves.values())
        panels = {name: title for name, title in _CURVES.items() if name in logged}
        drawn['curves'] = figures.curves_figure(curves, look, panels)
    weights = {label: _summed_weights([record for record in found if record.label == label]) for label in look}
    # Where all weigh the same there is nothing to see.
    weights = {
        label: counts
        for label, counts in weights.items()
        if any(sum(map(bool, group)) > 1 for group in counts.values())
    }
    if weights:
        drawn['weights'] = figures.weights_figure(weights, EDGES)
    return drawn


def _panels(table: Sequence[Row], metric: str) -> list[Panel]:
    """A measure's gain. Of settings with the same axes: against the axis of most values, one panel for each value of the
    others."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in table:
        groups.setdefault(tuple(axis for axis, _ in row.place), []).append(row)
    panels = []
    for axes, group in groups.items():
        if CHOICE in axes:
            continue
        values = {axis: {dict(row.place)[axis] for row in group} for axis in axes}
        across = max(axes, key=lambda axis: len(values[axis]), default=None)
        if across is None or len(values[across]) < 2:
            continue
        others: dict[Place, dict[str, dict]] = {}
        for row in group:
            if (gain := row.differences[metric]) is not None:
                rest = tuple((axis, value) for axis, value in row.place if axis != across)
                others.setdefault(rest, {}).setdefault(row.label, {})[dict(row.place)[across]] = gain
        for rest, lines in others.items():
            panels.append(Panel(', '.join(filter(None, [name_of(metric), _words(rest)])), across, lines))
    return panels


def _points(grid: Grid, table: Sequence[Row]) -> dict[str, list[Point]]:
    points: dict[str, list[Point]] = {}
    for row in table:
        x, y = (row.means[metric] for metric in grid.frontier)
        if x is not None and y is not None:
            setting = tuple((axis, value) for axis, value in row.place if axis != CHOICE)
            points.setdefault(_words(setting), []).append(Point(row.label, x, y))
    return points


def _mean_curves(found: Sequence[Record]) -> dict[str, dict[str, list[float]]]:
    """By label, means over seeds, of what all of them logged at the same iterations."""
    by_label: dict[str, list[Mapping[str, list[float]]]] = {}
    for record in found:
        if len(record.curves.get('iter', ())) > 1:
            by_label.setdefault(record.label, []).append(record.curves)
    means = {}
    for label, curves in by_label.items():
        alike = [curve for curve in curves if curve['iter'] == curves[0]['iter']]
        names = set.intersection(*map(set, alike))
        means[label] = {
            name: [math.fsum(values) / len(alike) for values in zip(*(curve[name] for curve in alike), strict=True)]
            for name in names
        }
    return means


def _summed_weights(found: Sequence[Record]) -> dict[str, list[int]]:
    summed: dict[str, list[int]] = {}
    for record in found:
        for group, counts in record.weights.items():
            summed[group] = [a + b for a, b in zip(summed.get(group, [0] * len(counts)), counts, strict=True)]
    return summed


def _words(place: Place) -> str:
    return ', '.join(f'{axis} {value}' for axis, value in place)


def _file_name(label: str) -> str:
    return '_'.join(''.join(letter if letter.isalnum() else ' ' for letter in label).split())
