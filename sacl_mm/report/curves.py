"""Which curves of the runs are drawn: losses, what the contrastive loss measures of itself, and validation scores."""

from collections.abc import Mapping

from sacl_mm.report.figures import Line, line_figure
from sacl_mm.report.runs import Curve

_TEXTS = {
    'loss_itc': (
        'Contrastive loss',
        'The weights of the negatives change its scale: compare the course of two runs, not their height.',
    ),
    'loss_itm': ('Matching loss', ''),
    'loss_mlm': ('Masked language modelling loss', ''),
    'temperature': ('Temperature', 'Similarities are divided by it. A smaller one pushes near matches apart harder.'),
    'mi_negative': (
        'MI-N',
        'The information that features keep about negatives. Dots: the target that the weights set (0 for InfoNCE). The '
        'estimate is normalised over the candidates and lies below 0: compare runs, not a run with its target.',
    ),
    'R@mean': ('Mean of all R@k', 'Recall of the annotated match, mean over k and both directions.'),
    'mAP': ('Graded mAP', 'Mean average precision over all true matches, mean of both directions.'),
}
_UNITS = {'mi_negative': 'nats', 'temperature': 'learned temperature'}


def curve_figures(runs: Mapping[str, Mapping[str, Curve]]) -> list[dict[str, str]]:
    """Each with `title`, `svg` and `caption`. `runs`: name of the run -> name of the scalar -> its curve."""
    names = list(dict.fromkeys(name for curves in runs.values() for name in curves))
    parts = [name for name in names if name.startswith('loss_')]
    # The sum of one part is that part.
    losses = parts if len(parts) == 1 else [name for name in names if name.startswith('loss')]
    diagnostics = [name for name in ('temperature', 'mi_negative') if name in names]
    # retrieval/mAP, but not each of retrieval/TR/R@1, ...: those are in the table.
    scores = [name for name in names if name.count('/') == 1]
    return [_figure(name, runs) for name in (*losses, *scores, *diagnostics)]


def _figure(name: str, runs: Mapping[str, Mapping[str, Curve]]) -> dict[str, str]:
    title, caption = _TEXTS.get(name.rpartition('/')[2], (name, ''))
    lines = []
    for number, (run, curves) in enumerate(runs.items()):
        if name in curves:
            lines.append(Line(run, curves[name], number))
        if f'{name}_target' in curves:
            lines.append(Line(f'{run}, target', curves[f'{name}_target'], number, is_target=True))
    is_score = '/' in name
    y_label = f'{name}, %' if is_score else _UNITS.get(name, name)
    svg = line_figure(f'{title} of {", ".join(runs)}', lines, 'epoch' if is_score else 'iteration', y_label)
    return dict(title=title, svg=svg, caption=caption)
