"""The interface of a source of evidence, and how rows are found by the ids of a batch."""

from collections.abc import Iterable, Sequence

import numpy as np
from mmengine.device import get_device
from numpy.typing import NDArray
from torch import nn

from sacl_mm.checkpoints.weights import weights_hash
from sacl_mm.functional.image_captions import ImageCaptions
from sacl_mm.models.losses import FeaturePair
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError

NEEDS_HOOK = "the training needs default_hooks.evidence=dict(type='EvidenceHook')"


class EvidenceSource(nn.Module):
    """Rows of images and of texts whose inner products tell how well a text fits an image, for a policy of
    `SACLContrastiveLoss` to read.

    It has no weights that are learned; a checkpoint holds nothing of it but the rows of queued pairs. `EvidenceHook` calls
    `prepare` when a training starts, on all processes.
    """

    width: int
    """Of a row."""
    needs_captions = False
    """Whether `prepare` is given the captions of all images that the training may meet."""

    def prepare(self, captions: Sequence[ImageCaptions]) -> None:
        """Read weights and captions. Models that are tested need neither."""

    def forward(self, batch: dict) -> FeaturePair:
        """Rows (B, width) of the batch's images and (T, width) of its texts, on its device, without gradient.

        Args:
            batch: what `ImageTextPreprocessor` returns.
        """
        raise NotImplementedError


def build_frozen(name: str, config: dict) -> nn.Module:
    """A frozen encoder with its weights, on the device of the training. Let it be no submodule of its source: they would be in
    every checkpoint.

    Raises:
        UserError: it starts from random weights, so that its similarities would mean nothing.
    """
    encoders = [MODELS.build(config) for _ in range(2)]
    for encoder in encoders:
        if hasattr(encoder, 'init_weights'):
            encoder.init_weights()
    if len({weights_hash(encoder.state_dict()) for encoder in encoders}) > 1:
        raise UserError(f'evidence: {name} starts from random weights; give it a checkpoint')
    encoders[0].eval()  # mmpretrain's return None
    return encoders[0].requires_grad_(False).to(get_device())


class Places:
    """Where in a table the rows of ids are."""

    def __init__(self, kind: str, ids: Iterable[int]) -> None:
        self.kind = kind
        ids_N = np.fromiter(ids, np.int64)
        self._order = np.argsort(ids_N, kind='stable')
        self._sorted = ids_N[self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise ValueError(f'a {kind} comes twice')

    def __call__(self, ids: Iterable[int]) -> NDArray[np.int64]:
        """Raises UserError for an id that is not there."""
        wanted = np.fromiter(ids, np.int64)
        found = np.searchsorted(self._sorted, wanted).clip(max=max(0, len(self._sorted) - 1))
        unknown = wanted if not len(self._sorted) else wanted[self._sorted[found] != wanted]
        if len(unknown):
            why = 'where it is not' if len(self._sorted) else f'which were not read: {NEEDS_HOOK}'
            raise UserError(
                f'{self.kind} {unknown[0]} has no evidence, which is made from the captions of the training data set, {why}'
            )
        return self._order[found]
