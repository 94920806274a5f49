"""The curves of a training that are worth keeping when its work dir goes."""

from pathlib import Path

from sacl_mm.report.runs import read_curves

NAMES = (
    'loss_itc',
    'temperature',
    'mi_positive',
    'mi_negative',
    'mi_negative_target',
    'mi_false_negative',
    'mi_true_negative',
)
_MOST_POINTS = 24


def curves_of(work_dir: Path) -> dict[str, list[float]]:
    """`iter` and what was logged at these iterations, at four digits and at most 24 of them, evenly spaced; {} without any."""
    logged = {name: dict(curve) for name, curve in read_curves(work_dir).items() if name in NAMES}
    if not logged:
        return {}
    steps = sorted(set.intersection(*map(set, logged.values())))
    count = min(len(steps), _MOST_POINTS)
    chosen = [steps[(i + 1) * len(steps) // count - 1] for i in range(count)]
    values = {name: [float(f'{curve[step]:.4g}') for step in chosen] for name, curve in logged.items()}
    return {'iter': chosen, **values}
