"""Vision-language models of Hugging Face's transformers: CLIP, SigLIP, and others with `get_image_features`.

Shapes: B images, T texts, L tokens, E embedding.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel

from sacl_mm.checkpoints import CheckpointError, check_finite_weights
from sacl_mm.pretrained_models import reading
from sacl_mm.user_error import UserError

# How sentence-transformers knows what a folder holds: one module, in the folder itself.
_SENTENCE_TRANSFORMERS = dict(idx=0, name='0', path='', type='sentence_transformers.models.CLIPModel')
_FEATURES = ('get_image_features', 'get_text_features')


class HuggingFaceModels:
    """Builds, reads and calls them; without state."""

    def build(self, pretrained: str) -> nn.Module:
        """The architecture with random weights: only config.json is read."""
        with reading(pretrained, 'config.json'):
            config = AutoConfig.from_pretrained(pretrained, trust_remote_code=False)
        if config.model_type == 'siglip2':
            raise UserError(
                f"pretrained='{pretrained}' takes images of any size (NaFlex), but batches have one: take a SigLIP 2 of one "
                'size, such as google/siglip2-base-patch16-224'
            )
        config._attn_implementation = None  # a config.json could name code of the hub
        with reading(pretrained, 'architecture'):
            model = AutoModel.from_config(config, trust_remote_code=False).float()
        if not all(hasattr(model, method) for method in _FEATURES):
            raise UserError(
                f"pretrained='{pretrained}' is a {type(model).__name__}, which has no {' and '.join(_FEATURES)}: give a model "
                'with features of images and of texts, such as CLIP or SigLIP'
            )
        return model

    def weights(self, pretrained: str, model: nn.Module) -> dict[str, Tensor]:
        """The weights for `model`, from safetensors alone: other files could contain code.

        Raises:
            UserError: there are none, some are missing or they are not finite.
        """
        with reading(pretrained, 'weights (model.safetensors)'):
            loaded, found = AutoModel.from_pretrained(
                pretrained, config=model.config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
        if missing := sorted(found['missing_keys']):  # transformers would go on with random weights
            raise CheckpointError(f"pretrained='{pretrained}' lacks {len(missing)} weights, the first is {missing[0]}")
        state = loaded.state_dict()
        check_finite_weights(state, f"pretrained='{pretrained}'")
        return state

    def image_features(self, model: Any, images_BCHW: Tensor) -> Tensor:
        """(B, E), of any length."""
        return _tensor(model.get_image_features(pixel_values=images_BCHW))

    def text_features(self, model: Any, token_ids_TL: Tensor, mask_TL: Tensor) -> Tensor:
        """(T, E), of any length. What is padding does not matter, but some compute positions from its id."""
        if self.text_length(model) is not None:
            return _tensor(model.get_text_features(input_ids=token_ids_TL))
        padding = getattr(model.config.get_text_config(), 'pad_token_id', None)
        token_ids_TL = token_ids_TL.masked_fill(~mask_TL, padding or 0)
        return _tensor(model.get_text_features(input_ids=token_ids_TL, attention_mask=mask_TL.long()))

    def save(self, model: Any, pretrained: str, target: Path) -> None:
        """A folder of transformers with tokenizer and image processor; of a CLIPModel also one of sentence-transformers."""
        model.save_pretrained(target)
        with reading(pretrained, 'tokenizer and image processor'):
            for part in (AutoTokenizer, AutoImageProcessor):
                part.from_pretrained(pretrained, trust_remote_code=False).save_pretrained(target)
        if isinstance(model, CLIPModel):
            (target / 'modules.json').write_text(json.dumps([_SENTENCE_TRANSFORMERS], indent=2) + '\n')

    def text_length(self, model: Any) -> int | None:
        """SigLIP sees its padding, as it was trained so: L; None for a model with a mask."""
        return model.config.get_text_config().max_position_embeddings if model.config.model_type == 'siglip' else None

    def vocab_size(self, model: Any) -> int | None:
        return getattr(model.config.get_text_config(), 'vocab_size', None)


def _tensor(features: Any) -> Tensor:
    """transformers 5 returns the projected features as `pooler_output`, 4 by themselves."""
    return features if isinstance(features, torch.Tensor) else features.pooler_output
