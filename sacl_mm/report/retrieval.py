"""A trained model among its validation images: features of the two towers, captions, images, and what is true.

Shapes: N images, T captions, E embedding.
"""

import base64
import os
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.datasets import LoadImage, ShapeWorld
from sacl_mm.datasets.image_files import is_file
from sacl_mm.datasets.shape_world import captions_of, render_scene, scene_of
from sacl_mm.datasets.shape_world.claim import satisfied_share
from sacl_mm.engine.hooks.evidence_hook import prepare_evidence
from sacl_mm.inference.trained_model import load_model
from sacl_mm.models.dual_encoder import DualEncoder
from sacl_mm.models.losses import FeaturePair, SACLContrastiveLoss
from sacl_mm.registry import TASK_UTILS
from sacl_mm.user_error import UserError

# Enough for a look; the scores of the whole split are those that were logged.
MAX_IMAGES = 1000


@dataclass(frozen=True)
class Thumbnail:
    """`source`: a JPEG as data URI; None for an image that is not there any more."""

    source: str | None
    alt: str


class ValidationImages:
    """The images that a model was asked about, each with its captions, in the order of the validation split.

    `own_NT`: which captions are annotated for which image. `relevant_NT`: which are true of it, where that is known
    (`knows_truth`); else the annotated ones.
    """

    def __init__(self, samples: list[BaseDataElement], dataset: Sized, evaluators: Sequence[ConfigDict]) -> None:
        self.total = len(dataset)
        self.paths = [str(sample.get('img_path', '')) for sample in samples]
        self.captions = [str(caption) for sample in samples for caption in sample.text]
        self.image_ids_N = np.array([sample.image_id for sample in samples])
        self.text_ids_T = np.array([text_id for sample in samples for text_id in sample.text_ids])
        self.owner_T = np.repeat(np.arange(len(samples)), [len(sample.text) for sample in samples])
        self.own_NT = np.arange(len(samples))[:, None] == self.owner_T
        self.world = dataset if isinstance(dataset, ShapeWorld) else None
        known = [evaluator.relevance for evaluator in evaluators if evaluator.get('relevance') is not None]
        self.knows_truth, self.relevant_NT = bool(known), self.own_NT
        if known:
            self.relevant_NT = self.own_NT | TASK_UTILS.build(known[0])(self.image_ids_N, self.text_ids_T)

    def __len__(self) -> int:
        return len(self.image_ids_N)

    def satisfied_share(self, image: int, text: int) -> float:
        """How much of what the caption says is true of the image; 0 where nobody knows."""
        if self.world is None:
            return 0.0
        owner, caption = divmod(self.text_ids_T[text], self.world.captions_per_image)
        claim, _ = captions_of(self.world.seed, owner, self.world.captions_per_image, self.world.detail)[caption]
        return satisfied_share(claim, scene_of(self.world.seed, int(self.image_ids_N[image])))

    def first_captions(self, images: np.ndarray) -> np.ndarray:
        """Index of each image's first caption."""
        return np.searchsorted(self.owner_T, images)

    def thumbnail(self, image: int, side: int = 160) -> Thumbnail:
        if self.world is not None:
            scene = scene_of(self.world.seed, int(self.image_ids_N[image]))
            shown = ', '.join(f'a {o.size} {o.texture} {o.colour} {o.shape}' for o in scene.objects)
            return Thumbnail(_jpeg(render_scene(scene, side)), f'Image of {shown}')
        path, name = self.paths[image], f'Image {os.path.basename(self.paths[image]) or self.image_ids_N[image]}'
        if not is_file(path):  # features that were cached elsewhere; an address, which must not be fetched
            return Thumbnail(None, name)
        return thumbnail_of(path, name, side)


@dataclass
class Retrieval:
    """`evidence`: what the policy reads of these pairs, where the model can give it."""

    images: ValidationImages
    image_NE: Tensor
    text_TE: Tensor
    loss: SACLContrastiveLoss | None
    evidence: dict[str, FeaturePair]


def embed(cfg: Config, checkpoint: Path, split: str) -> Retrieval:
    """Encode the first `MAX_IMAGES` images of a split ('val' or 'test') with their captions.

    Raises:
        UserError, ValueError, OSError, BrokenSampleError: model, checkpoint or data cannot be loaded, or do not retrieve.
    """
    if cfg.get(f'{split}_dataloader') is None:
        raise UserError(f'the configuration has no {split}_dataloader')
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'sacl_mm'), torch.no_grad():
        model = load_model(cfg, checkpoint)
        loader = Runner.build_dataloader(cfg[f'{split}_dataloader'], seed=0)
        evidence_of = _source_of_evidence(model, loader.dataset)
        samples: list[BaseDataElement] = []
        found: list[dict[str, FeaturePair]] = []
        for batch in loader:
            data = model.data_preprocessor(batch, False)
            samples += model(mode='predict', **data)
            _check_retrieves(samples[-1], type(model).__name__)
            found.append(evidence_of(data))
            if len(samples) >= MAX_IMAGES:
                break
        evaluators = cfg.get(f'{split}_evaluator') or []
        images = ValidationImages(samples, loader.dataset, evaluators if isinstance(evaluators, list) else [evaluators])
        return Retrieval(
            images,
            torch.nn.functional.normalize(torch.stack([sample.pred_image_feature for sample in samples]).cpu()),
            torch.nn.functional.normalize(torch.cat([sample.pred_text_features for sample in samples]).cpu()),
            getattr(model, 'contrastive_loss', None),
            {
                name: FeaturePair(
                    *(torch.cat(side).cpu() for side in zip(*(each[name] for each in found), strict=True))
                )
                for name in found[0]
            },
        )


def _source_of_evidence(model: torch.nn.Module, dataset: Sized) -> Callable[[dict], dict[str, FeaturePair]]:
    """A function of a batch."""
    if not isinstance(model, DualEncoder):
        return lambda data: {}
    try:
        if model.reference is not None:
            model.reference.load()
        if model.evidence:
            prepare_evidence(model, dataset)
    except UserError:  # a loss that needs it says so
        return lambda data: {}

    def evidence_of(data: dict) -> dict[str, FeaturePair]:
        try:
            return model.collect_evidence(data)
        except ValueError:  # a source that reads cached features, which images are not; as above
            return {}

    return evidence_of


def _check_retrieves(sample: BaseDataElement, model: str) -> None:
    for key in ('pred_image_feature', 'pred_text_features', 'text', 'image_id', 'text_ids'):
        if key not in sample:
            feature = f'{model} predicts no {key}: it does not retrieve'
            raise UserError(
                feature if 'feature' in key else f"samples have no {key}: let the pipeline's PackInputs pack it"
            )
    if len(sample.text) != len(sample.pred_text_features):
        raise UserError(
            f'a sample has {len(sample.text)} captions, and text features of {len(sample.pred_text_features)}'
        )


def thumbnail_of(path: str, alt: str, side: int = 160) -> Thumbnail:
    """Of an image file."""
    pixels = LoadImage()(dict(img_path=path))['img']
    scale = side / max(pixels.shape[:2])
    size = [max(1, round(scale * length)) for length in pixels.shape[1::-1]]
    return Thumbnail(_jpeg(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)), alt)


def _jpeg(pixels_HW3: np.ndarray) -> str:
    _, jpeg = cv2.imencode('.jpg', pixels_HW3, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}'
