"""Our contrastive loss in place of the `ITCHead` of mmpretrain's `BlipRetrieval`. Shapes: B pairs, K queued pairs, D
features."""

import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.functional.distributed import gather
from sacl_mm.functional.settings import check_count
from sacl_mm.models.negative_queue import NegativeQueue
from sacl_mm.registry import MODELS


@MODELS.register_module()
class ImageTextContrastiveHead(BaseModule):
    """`BlipRetrieval(head=dict(type='sacl_mm.ImageTextContrastiveHead', embed_dim=256))`: any policy in BLIP.

    As in `ITCHead`, the online encoders' features are the anchors, the momentum encoders' features of the batch and of a
    queue of past batches are the candidates, and equal `image_id`s are positives, in the queue, too. With
    `policy=dict(type='MomentumDistillation', base_policy=dict(type='InfoNCE'), weight=0.4)` the value is `ITCHead`'s.
    Differences from `ITCHead`:
    * slots of the queue that were never filled take no part; `ITCHead` starts with random features as negatives;
    * the queue may have any size of at least a batch, which need not divide it;
    * with several processes the candidates are all processes' batches, not only the local one;
    * the temperature is the loss's own. `BlipRetrieval` draws hard negatives for matching with its `temp`, which it
      shares with its head; that follows the loss's, so that the model's `temperature=` has no effect;
    * policies' schedules follow MMEngine's iteration counter, so that no `WarmupParamHook` is needed.

    Args:
        embed_dim: D.
        queue_size: K, of all processes together.
        contrastive_loss: a `SACLContrastiveLoss`, with self-regulated weights if not given. Its names are looked up in this
            library, whatever the config's scope.

    Raises:
        ValueError: for a policy that needs evidence of another model than the momentum encoders, which mmpretrain's models
            do not have.
    """

    def __init__(self, embed_dim: int, queue_size: int = 57600, contrastive_loss: dict | None = None) -> None:
        super().__init__()
        check_count('embed_dim', embed_dim)
        check_count('queue_size', queue_size)
        self.contrastive_loss = MODELS.build(
            dict(contrastive_loss or dict(type='SACLContrastiveLoss'), _scope_='sacl_mm')
        )
        missing = set(self.contrastive_loss.policy.needs_evidence) - {'teacher'}
        if missing:
            hint = ': set alpha=0' if missing == {'reference'} else ''
            raise ValueError(f'the policy needs the evidence {sorted(missing)}, which this head is not given{hint}')
        self.queue = NegativeQueue(queue_size, embed_dim)
        # Where BlipRetrieval puts its own temperature.
        self.register_parameter('temp', None)

    def loss(self, feats: tuple[list[Tensor]], data_samples: list[BaseDataElement]) -> dict[str, Tensor]:
        """The loss, after which the batch enters the queue.

        Args:
            feats: its last entry is [image, text, momentum image, momentum text], each (B, D).
            data_samples: B of them, with `image_id`, integers >= 0.
        """
        image, text, momentum_image, momentum_text = feats[-1]
        image_ids = torch.tensor([int(sample.image_id) for sample in data_samples], device=image.device)
        momentum = (momentum_image, momentum_text)
        loss = self.contrastive_loss(
            image,
            text,
            image_ids,
            evidence=dict(teacher=momentum),
            candidates=momentum,
            bank=self.queue.bank(),
            progress=_progress(),
        )
        self.queue.enqueue(dict(image=gather(momentum_image), text=gather(momentum_text), image_ids=gather(image_ids)))
        temperature = self.contrastive_loss.temperature.detach()
        if self.temp is not None:
            self.temp.data.copy_(temperature)
            loss = loss + 0 * self.temp  # a parameter without a gradient would stop DistributedDataParallel
        return dict(itc_loss=loss, temperature=temperature)


def _progress() -> float:
    """Fraction of the training that is done, in [0, 1], by MMEngine's iteration counter; 0 outside a Runner."""
    hub = MessageHub.get_current_instance()
    iterations = hub.get_info('max_iters')
    return 0.0 if iterations is None else hub.get_info('iter', 0) / max(1, iterations - 1)
