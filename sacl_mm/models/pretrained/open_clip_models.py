"""Models of open_clip.

Shapes: B images, T texts, L tokens, E embedding.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sacl_mm.checkpoints import check_finite_weights
from sacl_mm.pretrained_models import OpenClipName, import_open_clip, open_clip_name, reading, without_warnings
from sacl_mm.user_error import UserError, did_you_mean


class OpenClipModels:
    """Builds, reads and calls them; without state."""

    def build(self, pretrained: str) -> nn.Module:
        """The architecture with random weights, of which open_clip would warn."""
        name, open_clip = _named(pretrained), import_open_clip()
        if ':' not in name.model and name.model not in (known := open_clip.list_models()):
            raise UserError(f"open_clip has no model '{name.model}'{did_you_mean(name.model, known)}")
        with reading(pretrained, 'architecture'), without_warnings():
            return open_clip.create_model(name.model, load_weights=False, pretrained_text=False)

    def weights(self, pretrained: str, model: nn.Module) -> dict[str, Tensor]:
        """The weights for `model`, read as data.

        Raises:
            UserError: there are none, they do not fit or are not finite.
        """
        name = _named(pretrained)
        if name.weights is None and ':' not in name.model:
            raise UserError(
                f"pretrained='{pretrained}' names no weights: give 'open_clip:{name.model}/WEIGHTS', with a tag of "
                'open_clip.list_pretrained() or a file'
            )
        with reading(pretrained, 'weights'), without_warnings():
            loaded = import_open_clip().create_model(
                name.model, name.weights, require_pretrained=True, pretrained_text=False, weights_only=True
            )
        state = loaded.state_dict()
        check_finite_weights(state, f"pretrained='{pretrained}'")
        return state

    def image_features(self, model: Any, images_BCHW: Tensor) -> Tensor:
        """(B, E), of any length."""
        return model.encode_image(images_BCHW)

    def text_features(self, model: Any, token_ids_TL: Tensor, mask_TL: Tensor) -> Tensor:
        """(T, E), of any length. The models know padding by its id, or see it."""
        return model.encode_text(token_ids_TL)

    def save(self, model: nn.Module, pretrained: str, target: Path) -> None:
        """A checkpoint for `open_clip.create_model(MODEL, pretrained=TARGET)`."""
        if target.suffix == '.safetensors':
            save_file(model.state_dict(), target)
        else:
            torch.save(model.state_dict(), target)

    def text_length(self, model: Any) -> int | None:
        """L: open_clip pads every text to it."""
        return model.context_length

    def vocab_size(self, model: Any) -> int | None:
        return getattr(model, 'vocab_size', None) or None


def _named(pretrained: str) -> OpenClipName:
    name = open_clip_name(pretrained)
    assert name is not None
    return name
