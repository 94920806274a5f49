"""Gives a model's sources of evidence the captions of the training data."""

from collections.abc import Iterator
from typing import Any

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sacl_mm.functional.image_captions import ImageCaptions, of_each_image
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.registry import HOOKS
from sacl_mm.user_error import UserError


@HOOKS.register_module()
class EvidenceHook(Hook):
    """Calls `prepare` of each `EvidenceSource` before the training, in the first process first, as it may write a cache that
    the others read."""

    def before_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not isinstance(model, DualEncoder) or not model.evidence:
            return
        for is_turn in (is_main_process(), not is_main_process()):
            if is_turn:
                prepare_evidence(model, runner.train_dataloader.dataset)
            barrier()


def prepare_evidence(model: DualEncoder, dataset: Any) -> None:
    """Give a model's sources the captions of a data set."""
    captions = of_each_image(captions_of(dataset))
    for source in model.evidence.values():
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
