"""The weights that a trained model's loss gives to negatives. Shapes: B pictures, each with its first caption."""

from dataclasses import dataclass

import numpy as np
import torch

from sacl_mm.report.evaluated_run import EvaluatedRun
from sacl_mm.report.validation import Validation


@dataclass
class BatchWeights:
    """Rows are pictures (the anchors), columns captions. `weight_BB` is nan on the diagonal: the positives.

    A negative is *false* where the caption is true of the picture all the same.
    """

    images_B: np.ndarray
    texts_B: np.ndarray
    weight_BB: np.ndarray
    false_negative_BB: np.ndarray

    @property
    def false_negatives(self) -> np.ndarray:
        return self.weight_BB[self.false_negative_BB]

    @property
    def true_negatives(self) -> np.ndarray:
        return self.weight_BB[~self.false_negative_BB & ~np.isnan(self.weight_BB)]


def batch_weights(run: EvaluatedRun, validation: Validation, images_B: np.ndarray) -> BatchWeights:
    """Weights as at the end of the training, picture -> text, in a batch of these pictures."""
    texts_B = validation.first_captions(images_B)
    with torch.no_grad():
        _, diagnostics = run.loss(
            run.image_feature_NE[images_B],
            run.text_feature_TE[texts_B],
            torch.from_numpy(images_B),
            torch.from_numpy(texts_B),
            progress=1.0,
            return_diagnostics=True,
        )
    weight_BB = diagnostics['i2t/weights_AM'].double().numpy()
    return BatchWeights(images_B, texts_B, weight_BB, _false_negatives(validation, images_B))


def batch_with_most_false_negatives(validation: Validation, size: int) -> np.ndarray:
    """Of all batches of `size` consecutive pictures, the first that has the most known false negatives."""
    batches = np.arange(len(validation.scenes) // size * size).reshape(-1, size)
    return max(batches, key=lambda images_B: _false_negatives(validation, images_B).sum())


def _false_negatives(validation: Validation, images_B: np.ndarray) -> np.ndarray:
    return validation.relevant_NT[np.ix_(images_B, validation.first_captions(images_B))] & ~np.eye(
        len(images_B), dtype=bool
    )
