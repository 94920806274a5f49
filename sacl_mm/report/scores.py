"""The score table of several runs, and what it says in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from sacl_mm.user_error import printable

# The order of the table; other measures follow as they were logged.
_LABELS = {
    'mAP': 'graded mAP',
    'P@1': 'P@1',
    'false_negative_rank': 'mean rank of known false negatives',
    'R@mean': 'mean of all R@k',
}
_DIRECTIONS = {'': '', 'TR': 'image → text', 'IR': 'text → image'}


@dataclass(frozen=True)
class Score:
    """A row of the table. `values` are those of the runs in turn; None where a run was not measured by it."""

    name: str
    direction: str
    lower_is_better: bool
    values: tuple[float | None, ...]

    @property
    def label(self) -> str:
        return f'{self.name} (lower is better)' if self.lower_is_better else f'{self.name}, %'

    @property
    def shown(self) -> list[str]:
        return ['-' if value is None else f'{value:,.1f}' for value in self.values]

    @property
    def best(self) -> int | None:
        """Index of the best run; None if it shares its number, as shown, or is alone."""
        known = {i: round(v, 1) for i, v in enumerate(self.values) if v is not None and math.isfinite(v)}
        if len(known) < 2:
            return None
        best = (min if self.lower_is_better else max)(known.values())
        winners = [i for i, value in known.items() if value == best]
        return winners[0] if len(winners) == 1 else None

    @property
    def difference(self) -> str:
        """Second run - first run, of the numbers as shown."""
        first, second = self.values
        if first is None or second is None:
            return '-'
        gain = round(round(second, 1) - round(first, 1), 1)
        return f'{gain:+,.1f}' if gain else '0.0'


def score_table(runs: Sequence[Mapping[str, float]]) -> list[Score]:
    """`runs`: of each run, name of a measure ('retrieval/TR/R@1') -> value. Ranks are better lower, percentages higher."""
    keys = list(dict.fromkeys(key for run in runs for key in run))
    parts = {key: _parts(key) for key in keys}
    evaluators, names = (list(dict.fromkeys(part[i] for part in parts.values())) for i in (0, 2))

    def place(key: str) -> tuple[int, int, int, int]:
        evaluator, direction, name = parts[key]
        known = list(_LABELS).index(name) if name in _LABELS else len(_LABELS)
        return evaluators.index(evaluator), known, names.index(name), list(_DIRECTIONS).index(direction)

    table = []
    for key in sorted(keys, key=place):
        evaluator, direction, name = parts[key]
        label = _LABELS.get(name, name)
        table.append(
            Score(
                label if len(evaluators) == 1 else f'{evaluator}: {label}',
                'both directions' if name == 'mAP' and not direction else _DIRECTIONS[direction],
                name == 'false_negative_rank',
                tuple(run.get(key) for run in runs),
            )
        )
    return table


def _parts(key: str) -> tuple[str, str, str]:
    """Evaluator, direction ('' if none) and name."""
    evaluator, _, measure = key.partition('/')
    direction, _, name = measure.partition('/')
    return (evaluator, direction, name) if direction in _DIRECTIONS and name else (evaluator, '', measure)


def headline(names: Sequence[str], table: Sequence[Score]) -> str:
    """How the second of two runs does against the first one, whichever is ahead."""
    first, second = names
    told = [score for i, score in enumerate(table) if i == 0 or score.lower_is_better]
    losses = [score for score in table if score.best == 0]
    ahead = sum(score.best == 1 for score in table)
    level = len(table) - ahead - len(losses)
    return (
        f'{second} is ahead of {first} on {ahead or "none"} of {len(table)} measures'
        f'{f", level on {level}" if level else ""} and behind on {len(losses) or "none"}: {_against(told)}.'
        f'{f" It is behind on: {_against(losses)}." if losses else ""}'
    )


def _against(scores: Sequence[Score]) -> str:
    return '; '.join(
        f'{" ".join(filter(None, (s.name, s.direction)))} {s.shown[1]} against {s.shown[0]}' for s in scores
    )


def rich_table(names: Sequence[str], table: Sequence[Score]) -> Table:
    """For the terminal; the best value is bold."""
    is_pair = len(names) == 2
    drawn = Table('measure', 'direction')
    for name in (*names, 'difference') if is_pair else names:
        drawn.add_column(escape(printable(name)), justify='right')
    for score in table:
        values = [f'[bold green]{v}[/]' if i == score.best else v for i, v in enumerate(score.shown)]
        drawn.add_row(escape(printable(score.label)), score.direction, *values, *[score.difference] * is_pair)
    return drawn
