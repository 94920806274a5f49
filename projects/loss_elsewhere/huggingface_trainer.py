#!/usr/bin/env python
"""transformers' `Trainer` on `CLIPModel` with our loss: `pip install accelerate`.

python projects/loss_elsewhere/huggingface_trainer.py
"""

import tempfile
from typing import Any

import torch
from drawn_pairs import END, LENGTH, drawn_pairs, show, token_ids
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, Trainer, TrainingArguments

from sacl_mm.models.losses import SACLContrastiveLoss


class SACLTrainer(Trainer):
    """A `Trainer` of `CLIPModel`; `image_ids` is a column of the data set. The temperature is the model's `logit_scale`."""

    contrastive_loss = SACLContrastiveLoss(temperature_bounds=None)
    # Else transformers 5 would not divide the loss by the number of accumulated batches.
    model_accepts_loss_kwargs = property(lambda self: False, lambda self, value: None)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        inputs = dict(inputs)
        image_ids = inputs.pop('image_ids')
        outputs = model(**inputs)
        scale = self.accelerator.unwrap_model(model).logit_scale
        loss = self.contrastive_loss(outputs.image_embeds, outputs.text_embeds, image_ids, logit_scale=scale)
        return (loss, outputs) if return_outputs else loss


def main() -> None:
    torch.manual_seed(0)
    images, captions, image_ids = drawn_pairs(64)
    size = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2)
    text = dict(size, vocab_size=END + 1, max_position_embeddings=LENGTH, eos_token_id=END, pad_token_id=0)
    vision = dict(size, image_size=32, patch_size=8)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=32))
    columns = dict(pixel_values=images, input_ids=token_ids(captions))
    samples = [
        dict(image_ids=image_ids[i], **{name: column[i] for name, column in columns.items()})
        for i in range(len(captions))
    ]

    def measure(when: str) -> None:
        with torch.no_grad():
            outputs = model.eval()(**columns)
            value, about = SACLTrainer.contrastive_loss(
                outputs.image_embeds,
                outputs.text_embeds,
                image_ids,
                logit_scale=model.logit_scale,
                return_diagnostics=True,
            )
        show(when, value, about)

    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder,
            per_device_train_batch_size=32,
            num_train_epochs=15,
            learning_rate=5e-4,
            remove_unused_columns=False,  # image_ids is no argument of CLIPModel
            save_strategy='no',
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        measure('before')
        SACLTrainer(model, args, train_dataset=samples).train()
        measure('after')


if __name__ == '__main__':
    main()
