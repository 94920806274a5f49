"""SACL against InfoNCE: which measures, which of the two is better, and the same in a sentence."""

from dataclasses import dataclass

RUNS = {'infonce': 'InfoNCE', 'sacl': 'SACL'}
DIRECTIONS = {'TR': 'image → text', 'IR': 'text → image'}


@dataclass(frozen=True)
class Measure:
    """`key` is that of `RetrievalMetric`. Measures of which lower is better are ranks, the others are in percent."""

    key: str
    name: str
    direction: str
    lower_is_better: bool = False

    @property
    def label(self) -> str:
        return f'{self.name} (lower is better)' if self.lower_is_better else f'{self.name}, %'

    def shown(self, value: float) -> str:
        return shown(value) if self.lower_is_better else f'{shown(value)} %'


MEASURES = (
    Measure('mAP', 'graded mAP', 'mean of both'),
    *(Measure(f'{d}/mAP', 'graded mAP', arrow) for d, arrow in DIRECTIONS.items()),
    *(Measure(f'{d}/P@1', 'P@1', arrow) for d, arrow in DIRECTIONS.items()),
    *(
        Measure(f'{d}/false_negative_rank', 'mean rank of known false negatives', arrow, lower_is_better=True)
        for d, arrow in DIRECTIONS.items()
    ),
    *(Measure(f'{d}/R@{k}', f'R@{k}', arrow) for k in (1, 5, 10) for d, arrow in DIRECTIONS.items()),
)


def shown(value: float) -> str:
    return f'{value:,.1f}'


def difference(measure: Measure, metrics: dict[str, dict[str, float]]) -> float:
    """SACL - InfoNCE of the numbers as shown."""
    return round(round(metrics['sacl'][measure.key], 1) - round(metrics['infonce'][measure.key], 1), 1)


def better(measure: Measure, metrics: dict[str, dict[str, float]]) -> str | None:
    """'infonce' or 'sacl'; None where both show the same number."""
    gain = difference(measure, metrics)
    if gain == 0:
        return None
    return 'sacl' if (gain < 0) == measure.lower_is_better else 'infonce'


def headline(metrics: dict[str, dict[str, float]]) -> str:
    """What the numbers of both runs say, whichever is ahead. `metrics`: run -> key of a measure -> value."""
    verdicts = [better(measure, metrics) for measure in MEASURES]
    ahead, behind = verdicts.count('sacl'), verdicts.count('infonce')
    level = verdicts.count(None)
    tied = f', level on {level}' if level else ''
    infonce, sacl = metrics['infonce']['mAP'], metrics['sacl']['mAP']
    verdict = {'sacl': 'better', 'infonce': 'worse', None: 'equally well'}[better(MEASURES[0], metrics)]
    return (
        f'SACL is ahead of InfoNCE on {ahead or "none"} of {len(MEASURES)} measures{tied} and behind on '
        f'{behind or "none"}: it ranks all true matches {verdict} (graded mAP {shown(sacl)} % against '
        f'{shown(infonce)} %) and, on average, places known false negatives {_places(metrics)}.'
    )


def where_behind(metrics: dict[str, dict[str, float]]) -> str:
    """The measures on which SACL loses, with both numbers; '' if there are none."""
    losses = [
        f'{measure.name} {measure.direction} ({measure.shown(metrics["sacl"][measure.key])} against '
        f'{measure.shown(metrics["infonce"][measure.key])})'
        for measure in MEASURES
        if better(measure, metrics) == 'infonce'
    ]
    return f'SACL is behind on: {"; ".join(losses)}.' if losses else ''


def _places(metrics: dict[str, dict[str, float]]) -> str:
    phrases = []
    for measure in MEASURES:
        if measure.lower_is_better:
            infonce, sacl = metrics['infonce'][measure.key], metrics['sacl'][measure.key]
            verdict = {'sacl': 'higher up', 'infonce': 'further down', None: 'level'}[better(measure, metrics)]
            phrases.append(f'{verdict} for {measure.direction} (rank {shown(sacl)} against {shown(infonce)})')
    return ' and '.join(phrases)


def protocol(images: int, texts: int) -> str:
    return (
        f'Retrieval among {images:,} validation pictures x {texts:,} captions; protocol: dual encoder, cosine, '
        'no re-ranking; one seed each.'
    )
