"""Tables as Markdown."""

import math
from collections.abc import Sequence

from runs import Grid
from tables import Comparison, Difference, Mean, Row

_NAMES = {
    'retrieval/mAP': 'graded mAP',
    'retrieval/R@mean': 'mean recall',
    'consensus/NCS@mean': 'agreement by words',
    'sentences/NCS@mean': 'agreement by MiniLM',
    'vqa/accuracy': 'accuracy of answers',
    'nlvr2/accuracy': 'accuracy of statements',
    'nlvr2/consistency': 'consistency',
}
_DIRECTIONS = {'TR': 'image to text', 'IR': 'text to image'}


def name_of(metric: str) -> str:
    """For people: 'image to text mAP' of 'retrieval/TR/mAP'."""
    if metric in _NAMES:
        return _NAMES[metric]
    *_, direction, measure = f'/{metric}'.rsplit('/', 2)
    return f'{_DIRECTIONS[direction]} {measure}' if direction in _DIRECTIONS else metric


def means_table(grid: Grid, table: Sequence[Row]) -> str:
    """Means and standard deviations of every label and setting, and what they cost."""
    axes = _axes(table)
    head = [*axes, 'policy', 'seeds', *map(name_of, grid.metrics), 'CPU minutes', 'with its reference']
    lines = []
    for row in table:
        seeds = max(found.n for found in row.means.values() if found)
        costs = [_minutes(row.means[cost]) for cost in ('cpu_seconds', 'total_cpu_seconds')]
        cells = [_mean(row.means[metric]) for metric in grid.metrics]
        lines.append([*_setting(row, axes), row.label, str(seeds), *cells, *costs])
    return _table(head, lines)


def differences_table(grid: Grid, table: Sequence[Row]) -> str:
    """Paired differences to the base, and which share of the oracle's gain they are."""
    axes = _axes(table)
    has_oracle = any(row.label == grid.oracle for row in table)
    main = grid.metrics[0]
    head = [*axes, 'policy', 'pairs', *map(name_of, grid.metrics)]
    head += [f"share of the oracle's {name_of(main)} gain"] if has_oracle else []
    lines = []
    for row in table:
        gains = [row.differences[metric] for metric in grid.metrics]
        if any(gains):
            share = row.shares[main]
            last = ['-' if share is None else f'{100 * share:.0f} %'] if has_oracle else []
            pairs = str(max(gain.n for gain in gains if gain))
            lines.append([*_setting(row, axes), row.label, pairs, *map(_difference, gains), *last])
    return _table(head, lines)


def comparisons_table(found: Sequence[Comparison]) -> str:
    """Paired differences of the pairs that a grid names."""
    axes = list(dict.fromkeys(axis for one in found for axis, _ in one.place))
    metrics = list(found[0].differences)
    lines = [
        [
            *(str(dict(one.place).get(axis, '')) for axis in axes),
            f'{one.label} - {one.base}',
            *map(_difference, one.differences.values()),
            f'{one.cost_ratio:.2f}',
        ]
        for one in found
    ]
    return _table([*axes, 'comparison', *map(name_of, metrics), 'ratio of total costs'], lines)


def _axes(table: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(axis for row in table for axis, _ in row.place))


def _setting(row: Row, axes: Sequence[str]) -> list[str]:
    return [str(dict(row.place).get(axis, '')) for axis in axes]


def _mean(found: Mean | None) -> str:
    if found is None:
        return '-'
    return f'{found.value:.2f}' + ('' if math.isnan(found.deviation) else f' ± {found.deviation:.2f}')


def _difference(found: Difference | None) -> str:
    if found is None:
        return '-'
    if math.isnan(found.p):
        return f'{found.value:+.2f}'
    p = 'p < 0.001' if found.p < 0.001 else f'p = {found.p:.3f}' if found.p < 0.1 else f'p = {found.p:.2f}'
    return f'{found.value:+.2f} ± {found.error:.2f} ({p})'


def _minutes(found: Mean | None) -> str:
    return '-' if found is None else f'{found.value / 60:.1f}'


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [head, ['---'] * len(head), *lines]
    return '\n'.join('| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |' for line in cells) + '\n'
