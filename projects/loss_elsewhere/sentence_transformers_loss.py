#!/usr/bin/env python
"""A loss for `SentenceTransformerTrainer`, as its MultipleNegativesRankingLoss: `pip install 'sentence-transformers[train]'`.

python projects/loss_elsewhere/sentence_transformers_loss.py
"""

import tempfile
from collections.abc import Iterable

import torch
from datasets import Dataset
from drawn_pairs import VOCABULARY, drawn_pairs, show
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.models import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

from sacl_mm.models.losses import NegativePolicy, SACLContrastiveLoss


class SACLRankingLoss(nn.Module):
    """The two columns of a data set are positives, and the other rows of the batch negatives. A column `label` of integers
    groups rows: those of the same group are positives of each other, too."""

    def __init__(self, model: SentenceTransformer, policy: NegativePolicy | None = None) -> None:
        super().__init__()
        self.model = model
        self.loss = SACLContrastiveLoss(policy)  # the trainer's optimizer has its temperature

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        anchors, positives = (self.model(features)['sentence_embedding'] for features in sentence_features)
        return self.loss(anchors, positives, labels)


def main() -> None:
    torch.manual_seed(0)
    _, captions, image_ids = drawn_pairs(64)
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token='[UNK]'))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model = SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=64)], device='cpu')
    first, second, groups = captions[::2], captions[1::2], image_ids.unique()
    loss = SACLRankingLoss(model)

    def measure(when: str) -> None:
        features = [torch.from_numpy(model.encode(texts, show_progress_bar=False)) for texts in (first, second)]
        with torch.no_grad():
            show(when, *loss.loss(*features, groups, return_diagnostics=True))

    with tempfile.TemporaryDirectory() as folder:
        args = SentenceTransformerTrainingArguments(
            folder,
            per_device_train_batch_size=32,
            num_train_epochs=20,
            learning_rate=2e-2,
            save_strategy='no',
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        pairs = Dataset.from_dict(dict(anchor=first, positive=second, label=groups.tolist()))
        measure('before')
        SentenceTransformerTrainer(model, args, train_dataset=pairs, loss=loss).train()
        measure('after')


if __name__ == '__main__':
    main()
