"""Gives a model's sources of evidence the captions of the training data."""

from collections.abc import Iterator
from typing import Any, cast

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sacl_mm.functional.image_captions import ImageCaptions, of_each_image
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.models.evidence import EvidenceSource
from sacl_mm.registry import HOOKS
from sacl_mm.user_error import UserError


@HOOKS.register_module()
class EvidenceHook(Hook):
    """Calls `prepare` of each `EvidenceSource` before the training."""

    def before_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not isinstance(model, DualEncoder) or not model.evidence:
            return
        prepare_evidence(model, runner.train_dataloader.dataset)


def prepare_evidence(model: DualEncoder, dataset: Any) -> None:
    """Give a model's sources the captions of a data set, if one needs them."""
    sources = [cast(EvidenceSource, source) for source in model.evidence.values()]
    needs_captions = any(source.needs_captions for source in sources)
    captions = of_each_image(captions_of(dataset)) if needs_captions else []
    for source in sources:
        source.prepare(captions)


def captions_of(dataset: Any) -> Iterator[ImageCaptions]:
    """Of a data set, or of those that it is made of.

    Raises:
        UserError: it does not tell its captions.
    """
    if hasattr(dataset, 'image_captions'):
        yield from dataset.image_captions()
    elif hasattr(dataset, 'datasets'):  # ConcatDataset
        for part in dataset.datasets:
            yield from captions_of(part)
    elif hasattr(dataset, 'dataset'):  # RepeatDataset, ClassBalancedDataset, Subset
        yield from captions_of(dataset.dataset)
    else:
        raise UserError(
            f'the policy reads evidence from captions, which a {type(dataset).__name__} does not tell: give it '
            'image_captions(), as ImageTextDataset has'
        )
