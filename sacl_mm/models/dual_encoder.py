"""Contrastive pre-training of two towers, without fusion: the reference model H, and the base of the full model."""

import logging
import math
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from sacl_mm.functional.settings import check_count
from sacl_mm.models.losses import FeaturePair, NegativePolicy, SACLContrastiveLoss
from sacl_mm.models.part_sizes import check_towers
from sacl_mm.models.reference import FrozenReference
from sacl_mm.models.two_tower import Encoded, feature_pair
from sacl_mm.models.vision_language_model import VisionLanguageModel
from sacl_mm.registry import MODELS
from sacl_mm.user_error import did_you_mean


@MODELS.register_module()
class DualEncoder(VisionLanguageModel):
    """Two towers and a contrastive loss.

    Args:
        towers: a `TwoTower`, `PretrainedTowers` or `FeatureTowers`.
        contrastive_loss: a `SACLContrastiveLoss`. `temperature='pretrained'` starts at that of `PretrainedTowers`.
        data_preprocessor: an `ImageTextPreprocessor`.
        reference_checkpoint: weights of the frozen reference model H, for policies with alpha > 0.
        diagnostics_interval: iterations between two measurements of weights and mutual information for the log; 0: never.
        evidence: sources of evidence, by the names under which the policy reads them (`sacl_mm.models.evidence`); those that
            it does not read are not built.

    Raises:
        ValueError: for a policy that needs evidence that this model does not provide.
    """

    gives_evidence: tuple[str, ...] = ('reference',)

    def __init__(
        self,
        towers: dict,
        contrastive_loss: dict,
        data_preprocessor: dict,
        reference_checkpoint: str | None = None,
        diagnostics_interval: int = 50,
        evidence: dict[str, dict] | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor))
        self.towers = MODELS.build(towers)
        check_towers(self.data_preprocessor, self.towers)
        if self.towers.embed_dims is None:
            raise ValueError('a contrastive loss needs a common space: give the towers embed_dims')
        self._temperature_is_pretrained = contrastive_loss.get('temperature') == 'pretrained'
        if self._temperature_is_pretrained:
            if getattr(self.towers, 'temperature', None) is None:
                raise ValueError(
                    f"temperature='pretrained', but the {type(self.towers).__name__} have none: give a number"
                )
            contrastive_loss = {key: value for key, value in contrastive_loss.items() if key != 'temperature'}
        self.contrastive_loss: SACLContrastiveLoss = MODELS.build(contrastive_loss)
        check_count('diagnostics_interval', diagnostics_interval, least=0)
        if self.towers.is_text_guided:
            print_log(
                'images are encoded with their own texts (guide=text), under a contrastive loss: it can tell pairs by the '
                'traces that texts leave in their images, and hardly learns from what these show (docs/results.md, "Token '
                'reduction"). guide=similarity leaves none',
                logger='current',
                level=logging.WARNING,
            )
        self._sources, self._reference = evidence or {}, (towers, reference_checkpoint)
        if taken := sorted(set(self._sources) & set(self.gives_evidence)):
            raise ValueError(f'evidence {taken} is what {type(self).__name__} gives itself: choose other names')
        self.evidence = nn.ModuleDict()
        self.reference: FrozenReference | None = None
        self._provide('contrastive_loss.policy', self.contrastive_loss.policy)
        self.diagnostics_interval = diagnostics_interval

    def _provide(self, name: str, policy: NegativePolicy) -> None:
        """Build what a policy reads, unless it is there. `name`: that of the policy in the configuration."""
        needed = policy.needs_evidence
        known = [*self.gives_evidence, *self._sources]
        if unknown := sorted(set(needed) - set(known)):
            raise ValueError(
                f'{name} needs the evidence {unknown}{did_you_mean(unknown[0], known)}; {type(self).__name__} gives '
                f'{list(self.gives_evidence)}, and its argument evidence {list(self._sources)}: '
                f"evidence=dict({unknown[0]}=dict(type='CaptionCoverage')) would add it"
            )
        for source, config in self._sources.items():
            if source in needed and source not in self.evidence:
                self.evidence[source] = MODELS.build(config)
        if 'reference' in needed and self.reference is None:
            towers, checkpoint = self._reference
            if checkpoint is None:
                raise ValueError(
                    f"{name} reads the evidence 'reference': give reference_checkpoint, or take a policy that does "
                    'not read it (SimilarityRegulation with alpha=0)'
                )
            self.reference = FrozenReference(MODELS.build(towers), checkpoint)

    def init_weights(self) -> None:
        super().init_weights()
        if self._temperature_is_pretrained:
            with torch.no_grad():
                self.contrastive_loss.log_temperature.fill_(math.log(self.towers.temperature))
        if self.reference is not None:
            self.reference.load()

    def _forward(self, batch: dict) -> tuple[Encoded, Encoded]:
        return self.extract_feat(batch)

    def extract_feat(self, batch: dict) -> tuple[Encoded, Encoded]:
        """Both towers' outputs."""
        return self.towers(batch['images'], batch['token_ids'], batch['text_mask'])

    def loss(self, batch: dict) -> dict[str, Tensor]:
        """An image with k texts counts as k pairs of equal image id: all k texts are positives of the image. All processes
        need the same number of pairs: if k varies, draw one text per image with `SampleCaption`."""
        image, text = self.extract_feat(batch)
        repeats = torch.tensor(batch['texts_per_image'], device=batch['image_ids'].device)
        images = torch.arange(len(repeats), device=repeats.device)
        rows = images.repeat_interleave(repeats, output_size=len(text.tokens))
        evidence = {
            name: FeaturePair(pair.image[rows], pair.text) for name, pair in self.collect_evidence(batch).items()
        }
        pairs = batch | dict(image_ids=batch['image_ids'][rows])
        return self.contrast(image.rows(rows), text, pairs, evidence=evidence)

    def collect_evidence(self, batch: dict) -> dict[str, FeaturePair]:
        """Of the reference model and the sources, for the batch's images and texts."""
        evidence = {name: source(batch) for name, source in self.evidence.items()}
        if self.reference is not None:
            evidence['reference'] = self.encode_reference(batch)
        return evidence

    def encode_reference(self, batch: dict) -> FeaturePair:
        assert self.reference is not None
        return self.reference(batch['images'], batch['token_ids'], batch['text_mask'])

    def contrast(self, image: Encoded, text: Encoded, batch: dict, **sides: Any) -> dict[str, Tensor]:
        """The contrastive loss and, every `diagnostics_interval` iterations, its diagnostics (means over both directions).
        `sides` are the loss's arguments evidence, candidates and bank."""
        measure = self.diagnostics_interval > 0 and self.iteration % self.diagnostics_interval == 0
        loss = self.contrastive_loss(
            *feature_pair(image, text),
            batch['image_ids'],
            batch['text_ids'],
            progress=self.progress,
            return_diagnostics=measure,
            **sides,
        )
        loss, diagnostics = loss if measure else (loss, {})
        names = [
            name.removeprefix('i2t/') for name, value in diagnostics.items() if name[:3] == 'i2t' and value.ndim == 0
        ]
        means = {name: (diagnostics[f'i2t/{name}'] + diagnostics[f't2i/{name}']) / 2 for name in names}
        return dict(loss_itc=loss, temperature=self.contrastive_loss.temperature.detach(), **means)

    def predict(self, batch: dict) -> list[BaseDataElement]:
        """The samples with `pred_image_feature` (E,), `pred_text_features` (k, E) of the k texts and `input_size`."""
        image, text = self.extract_feat(batch)
        samples = batch['data_samples']
        images, texts = feature_pair(image, text)
        for sample, feature, features in zip(samples, images, texts.split(batch['texts_per_image']), strict=True):
            sample.pred_image_feature, sample.pred_text_features = feature, features
            if batch['images'].ndim == 4:
                sample.input_size = tuple(batch['images'].shape[-2:])
        return samples
