"""A pre-trained vision-language model as both towers.

Shapes: B images, T texts, L tokens, E embedding.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from sacl_mm.functional.settings import check_optional_count
from sacl_mm.layers.checkpointing import in_checkpointed_chunks
from sacl_mm.models.pretrained.hugging_face import HuggingFaceModels
from sacl_mm.models.pretrained.open_clip_models import OpenClipModels
from sacl_mm.models.two_tower import Encoded
from sacl_mm.pretrained_models import open_clip_name
from sacl_mm.registry import MODELS

_SIDES = ('image', 'text')


@MODELS.register_module()
class PretrainedTowers(BaseModule):
    """CLIP, SigLIP and their like, in place of a `TwoTower` in a `DualEncoder`. Features equal the library's, at unit length.

    Their own tokenizer and preparation of images belong to them: `PretrainedTokenizer` and `PreparePretrainedImage`. The
    weights are read when a training starts (`init_weights`). Building a model for a checkpoint needs only the architecture: a
    folder's config.json, or the hub's, which is kept in Hugging Face's cache.

    The tokens of `Encoded` are the features themselves, so no fusion encoder can follow.

    Args:
        pretrained: a name or folder (`sacl_mm.pretrained_models`).
        lock: towers that stay as they are, 'image', 'text': in evaluation mode, without gradient, with their projections.
            ('image',) is locked-image tuning (LiT, arXiv 2111.07991).
        checkpoint_rows: as in `TwoTower`.

    Raises:
        UserError: no such model, or one without features of images and texts.
        ValueError: a lock of something else, or of both; checkpoint_rows with batch normalisation.
    """

    is_text_guided = False
    has_tokens = False
    is_init: bool  # MMEngine's
    model: Any

    def __init__(self, pretrained: str, lock: Sequence[str] = (), checkpoint_rows: int | None = None) -> None:
        super().__init__()
        if isinstance(lock, str) or not set(lock) < set(_SIDES):
            raise ValueError(f"lock must be (), ('image',) or ('text',), got {lock!r}")
        check_optional_count('checkpoint_rows', checkpoint_rows)
        self.pretrained, self.lock, self.checkpoint_rows = pretrained, tuple(lock), checkpoint_rows
        self.library = OpenClipModels() if open_clip_name(pretrained) else HuggingFaceModels()
        self.model = self.library.build(pretrained).eval()
        self.vocab_size = self.library.vocab_size(self.model)
        with torch.no_grad():
            length = self.library.text_length(self.model) or 2
            example_1L = torch.zeros(1, length, dtype=torch.long)
            self.embed_dims = self.library.text_features(self.model, example_1L, example_1L == 0).shape[1]
        if lock and 'image' not in {_side(name) for name, _ in self.model.named_children()}:
            raise ValueError(
                f"the parts of '{pretrained}' have unknown names, so that none can be locked: leave lock out"
            )
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(_side(name) not in (None, *self.lock))
        if checkpoint_rows is not None and any(
            isinstance(part, nn.modules.batchnorm._BatchNorm) for part in self.model.modules()
        ):
            raise ValueError(
                f"checkpoint_rows={checkpoint_rows} would change the statistics of '{pretrained}' (batch normalisation): "
                'leave it out'
            )
        self.train()

    def init_weights(self) -> None:
        """Read the pre-trained weights."""
        if not self.is_init:
            self.model.load_state_dict(self.library.weights(self.pretrained, self.model))
        self.is_init = True

    @property
    def temperature(self) -> float | None:
        """That the model was pre-trained to; None if it has none."""
        scale = getattr(self.model, 'logit_scale', None)
        return None if scale is None else float((-scale.detach().float()).exp())

    @torch.no_grad()
    def save(self, target: Path, temperature: Tensor) -> None:
        """Give the model back to its library: a folder of transformers, or a checkpoint file of open_clip.

        Args:
            target: the folder or file to write.
            temperature: of the contrastive loss, as the model's own; a SigLIP keeps its bias.
        """
        if self.temperature is not None:
            self.model.logit_scale.fill_(-float(temperature.log()))
        self.library.save(self.model, self.pretrained, target)

    def train(self, mode: bool = True) -> 'PretrainedTowers':
        super().train(mode)
        for name, part in self.model.named_children():
            if _side(name) in self.lock:
                part.eval()
        return self

    def forward(self, images_BCHW: Tensor, token_ids_TL: Tensor, mask_TL: Tensor) -> tuple[Encoded, Encoded]:
        """Both towers' outputs."""
        return self.encode_image(images_BCHW), self.encode_text(token_ids_TL, mask_TL)

    def encode_image(self, images_BCHW: Tensor) -> Encoded:
        with torch.set_grad_enabled(torch.is_grad_enabled() and 'image' not in self.lock):
            return _encoded(*in_checkpointed_chunks(self._encode_image, self.checkpoint_rows, images_BCHW))

    def encode_text(self, token_ids_TL: Tensor, mask_TL: Tensor) -> Encoded:
        """ValueError: texts of another length than a model needs that sees its padding."""
        length = self.library.text_length(self.model)
        if length not in (None, token_ids_TL.shape[1]):
            raise ValueError(
                f"'{self.pretrained}' needs texts padded to {length} tokens, got {token_ids_TL.shape[1]}: give the pipeline's "
                f"TokenizeText tokenizer=dict(type='PretrainedTokenizer', pretrained='{self.pretrained}')"
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and 'text' not in self.lock):
            return _encoded(*in_checkpointed_chunks(self._encode_text, self.checkpoint_rows, token_ids_TL, mask_TL))

    def _encode_image(self, images_BCHW: Tensor) -> tuple[Tensor]:
        return (F.normalize(self.library.image_features(self.model, images_BCHW), dim=-1),)

    def _encode_text(self, token_ids_TL: Tensor, mask_TL: Tensor) -> tuple[Tensor]:
        return (F.normalize(self.library.text_features(self.model, token_ids_TL, mask_TL), dim=-1),)


def _encoded(feature_BE: Tensor | None) -> Encoded:
    assert feature_BE is not None
    return Encoded(feature_BE[:, None], feature_BE)


def _side(name: str) -> str | None:
    """The tower of a parameter or part, by the names of both libraries (vision_model, visual_projection, visual, ...); None of
    the scale and bias of their own losses."""
    if name.startswith('logit_'):
        return None
    return 'image' if name.startswith('vis') else 'text'
