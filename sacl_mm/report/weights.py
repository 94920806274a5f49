"""The weights that a trained model's loss gives to the negatives of a batch.

Shapes: B images, each with its first caption. Rows are images (the anchors), columns captions.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from markupsafe import Markup

from sacl_mm.models.losses import FeaturePair
from sacl_mm.report.figures import histogram
from sacl_mm.report.retrieval import Retrieval, ValidationImages


@dataclass
class BatchWeights:
    """`weight_BB` is nan on the diagonal: the positives. A negative is *false* where its caption is true of the image all the
    same; `false_negative_BB` is False everywhere where that is not known."""

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

    @property
    def is_uniform(self) -> bool:
        return bool(np.allclose(self.weight_BB[~np.isnan(self.weight_BB)], 1))

    @property
    def summary(self) -> str:
        false, true = self.false_negatives, self.true_negatives
        if not false.size:
            return f'Half of the negatives weigh less than {np.median(true):.2f}.'
        of_false, of_true = f'{false.mean():.2f}', f'{true.mean():.2f}'
        verdict = 'the same as' if of_false == of_true else 'less than' if false.mean() < true.mean() else 'more than'
        return (
            f'Known false negatives weigh {of_false} on average, {verdict} true negatives, which weigh {of_true}. '
            f'{100 * (false < 1).mean():.0f} % of the false and {100 * (true < 1).mean():.0f} % of the true ones are pushed '
            'less than by InfoNCE.'
        )

    def tone(self, row: int, column: int) -> float:
        """For a colour: from -1 (a quarter of the mean weight or less) over 0 (the mean) to 1 (four times or more)."""
        return max(-1.0, min(1.0, math.log(max(self.weight_BB[row, column], 1e-6)) / math.log(4)))


def batch_weights(run: Retrieval, images_B: np.ndarray) -> BatchWeights:
    """Weights as at the end of the training, image -> text, in a batch of these images.

    Raises:
        ValueError: the model has no contrastive loss, its policy needs what is not there, or the batch is one image.
    """
    if run.loss is None:
        raise ValueError('the model has no contrastive loss')
    if len(images_B) < 2:
        raise ValueError('a single image has no negatives')
    texts_B = run.images.first_captions(images_B)
    own = FeaturePair(run.image_NE[images_B], run.text_TE[texts_B])
    evidence = dict(teacher=own)  # a momentum teacher changes the targets, not the weights
    for name, pair in run.evidence.items():
        evidence[name] = FeaturePair(pair.image[images_B], pair.text[texts_B])
    with torch.no_grad():
        _, diagnostics = run.loss.cpu()(
            *own,
            torch.from_numpy(run.images.image_ids_N[images_B]),
            torch.from_numpy(run.images.text_ids_T[texts_B]),
            evidence=evidence,
            progress=1.0,
            return_diagnostics=True,
        )
    weight_BB = diagnostics['i2t/weights_AM'].double().numpy()
    return BatchWeights(images_B, texts_B, weight_BB, _false_negatives(run.images, images_B))


def small_batch(images: ValidationImages, size: int) -> np.ndarray:
    """Of all batches of `size` consecutive images, the first that has the most known false negatives."""
    batches = np.arange(len(images) // size * size).reshape(-1, size)
    return max(batches, key=lambda images_B: _false_negatives(images, images_B).sum())


def weight_histogram(batch: BatchWeights) -> Markup:
    false, true = batch.false_negatives, batch.true_negatives
    groups = {f'false negatives ({false.size:,})': false, f'true negatives ({true.size:,})': true}
    if not false.size:
        groups = {f'negatives ({true.size:,})': true}
    return histogram('Weights of the negatives', groups, 'weight of a negative', 1.0, 'InfoNCE: all 1')


def _false_negatives(images: ValidationImages, images_B: np.ndarray) -> np.ndarray:
    return (images.relevant_NT & ~images.own_NT)[np.ix_(images_B, images.first_captions(images_B))]
