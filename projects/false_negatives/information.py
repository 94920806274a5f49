"""What a model knows of false and of true negatives while it is trained, in a world where it is known which are which."""

from collections.abc import Callable

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from sacl_mm.functional.contrastive import log_mean_exp
from sacl_mm.models.two_tower import feature_pair
from sacl_mm.registry import HOOKS, TASK_UTILS


@HOOKS.register_module()
class NegativeInformationHook(Hook):
    """Logs `mi_false_negative` and `mi_true_negative`: the mean log-ratio (`functional/contrastive.py`) of the batch's
    negatives that are true of the anchor, and of the others, in nats; means over both directions, after the step.

    Args:
        relevance: as `OracleRemoval` takes it.
        interval: iterations between two measurements.
    """

    def __init__(self, relevance: dict, interval: int = 16) -> None:
        self.relevance: Callable = TASK_UTILS.build(relevance)
        self.interval = interval

    @torch.no_grad()
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        if not self.every_n_train_iters(runner, self.interval):
            return
        model = runner.model
        batch = model.data_preprocessor(data_batch)
        image, text = feature_pair(*model.extract_feat(batch))
        logits = image @ text.t() / model.contrastive_loss.temperature
        ids, text_ids = batch['image_ids'].cpu(), batch['text_ids'].cpu()
        negative = ids[:, None] != ids
        matches = torch.as_tensor(self.relevance(ids.numpy(), text_ids.numpy())) & negative
        for name, kind in (('false', matches), ('true', negative & ~matches)):
            mean = (_log_ratio(logits)[kind].mean() + _log_ratio(logits.t())[kind.t()].mean()) / 2
            runner.message_hub.update_scalar(f'train/mi_{name}_negative', mean.item())


def _log_ratio(logits_BB: Tensor) -> Tensor:
    return logits_BB - log_mean_exp(logits_BB, torch.ones_like(logits_BB, dtype=torch.bool))
