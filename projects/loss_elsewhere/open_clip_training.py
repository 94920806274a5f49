#!/usr/bin/env python
"""open_clip's own training loop with our loss in the place of its ClipLoss: `pip install open_clip_torch`.

python projects/loss_elsewhere/open_clip_training.py
"""

from types import SimpleNamespace

import torch
from drawn_pairs import END, LENGTH, drawn_pairs, show, token_ids
from open_clip import CLIP
from open_clip_train.train import train_one_epoch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from sacl_mm.models.losses import NegativePolicy, SACLContrastiveLoss


class SACLClipLoss(nn.Module):
    """`SACLContrastiveLoss` with the call of open_clip's `ClipLoss`; several processes need no arguments."""

    def __init__(self, policy: NegativePolicy | None = None) -> None:
        super().__init__()
        # Without a temperature of its own: the model's `logit_scale` is learned.
        self.loss = SACLContrastiveLoss(policy, temperature_bounds=None)

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor,
        logit_bias: Tensor | None = None,
        output_dict: bool = False,
    ) -> Tensor | dict[str, Tensor]:
        """open_clip passes e^logit_scale on. A bias would cancel in the softmax."""
        value = self.loss(image_features, text_features, logit_scale=logit_scale.log())
        return {'contrastive_loss': value} if output_dict else value


def main() -> None:
    torch.manual_seed(0)
    images, captions, image_ids = drawn_pairs(64)
    model = CLIP(
        embed_dim=32,
        vision_cfg=dict(layers=2, width=64, head_width=32, patch_size=8, image_size=32),
        text_cfg=dict(context_length=LENGTH, vocab_size=END + 1, width=64, heads=2, layers=2),
        output_dict=True,
    )
    texts = token_ids(captions)
    loss = SACLClipLoss()

    def measure(when: str) -> None:
        with torch.no_grad():
            features = model(images, texts)
            # Of the same image, captions are positives of each other.
            value, about = loss.loss(
                features['image_features'],
                features['text_features'],
                image_ids,
                logit_scale=features['logit_scale'].log(),
                return_diagnostics=True,
            )
        show(when, value, about)

    loader = DataLoader(TensorDataset(images, texts), batch_size=32, shuffle=True)
    loader.num_batches, loader.num_samples = len(loader), len(images)
    data = dict(train=SimpleNamespace(dataloader=loader, set_epoch=lambda epoch: None))
    args = SimpleNamespace(
        **dict(device='cpu', precision='fp32', accum_freq=1, batch_size=32, world_size=1, rank=0, local_rank=0),
        **dict(distill=False, skip_scheduler=True, horovod=False, grad_clip_norm=None, wandb=False),
        **dict(log_every_n_steps=100, log_local=False),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    measure('before')
    for epoch in range(15):
        train_one_epoch(model, data, loss, epoch, optimizer, None, None, None, args)
    measure('after')


if __name__ == '__main__':
    main()
