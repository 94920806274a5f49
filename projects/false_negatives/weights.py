"""The weights that a trained model gives to negatives, counted."""

from pathlib import Path

import numpy as np

from sacl_mm.inference.model_folder import find_model
from sacl_mm.report.retrieval import embed
from sacl_mm.report.weights import batch_weights
from sacl_mm.user_error import UserError

EDGES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.05, 1.25, 1.5, 2.0)
_BATCH = 256  # images


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
