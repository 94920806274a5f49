"""What is kept of a training besides its scores when its work dir goes: curves, and the weights that the model gives."""

from pathlib import Path

import numpy as np

from sacl_mm.inference.model_folder import find_model
from sacl_mm.report.retrieval import embed
from sacl_mm.report.runs import read_curves
from sacl_mm.report.weights import batch_weights
from sacl_mm.user_error import UserError

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
EDGES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.05, 1.25, 1.5, 2.0)
_BATCH = 256  # images


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


def weight_counts(work_dir: Path) -> dict[str, list[int]]:
    """How many weights are between two `EDGES`, of 'false negatives' and 'true negatives', or of 'negatives' where that is
    not known. From image to text, among validation images; what is above the last edge counts to the last bin.

    Raises:
        UserError: the model's loss gives no weights to validation images.
    """
    try:
        retrieval = embed(*find_model(work_dir), 'val')
        batch = batch_weights(retrieval, np.arange(min(_BATCH, len(retrieval.images))))
    except ValueError as error:
        raise UserError(f'weights=True of the grid: {error}') from error
    false, true = batch.false_negatives, batch.true_negatives
    groups = {'false negatives': false, 'true negatives': true} if false.size else {'negatives': true}
    return {name: np.histogram(np.minimum(group, EDGES[-1]), EDGES)[0].tolist() for name, group in groups.items()}
