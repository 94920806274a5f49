"""From a list of samples to the batch of tensors that the models take."""

import math
from collections.abc import Sequence

import torch
from mmengine.model import ImgDataPreprocessor
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.functional.length_buckets import pad_texts
from sacl_mm.functional.settings import check_count, check_number, check_optional_count
from sacl_mm.registry import MODELS


@MODELS.register_module()
class ImageTextPreprocessor(ImgDataPreprocessor):
    """Stacks and normalises images (as MMEngine's ImgDataPreprocessor), pads texts to the batch's longest.

    Samples with two images each give 2B images: all first ones, then all second ones.

    Each data sample carries `token_ids` (a list of texts), `image_id` and `text_ids`. The texts of all samples are
    concatenated; `texts_per_image` says how many belong to each sample. Samples of `CachedFeatures` have features in place of
    pixels and tokens, which are stacked as they are.

    Args:
        vocab_size: of the text encoder; a larger token id is an error that names the cause. None: that of the towers, if they
            know it.
        mean, std: of the image channels, in the order that the model sees them.
        bgr_to_rgb: images are loaded as BGR.
        pad_token: id of [PAD].
        blind: replace every image by the mean colour, to measure what the text alone tells.

    Raises:
        ValueError: mean and std are not both of one or three numbers, a std is not positive, or pad_token is no token.
    """

    def __init__(
        self,
        vocab_size: int | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        bgr_to_rgb: bool = False,
        pad_token: int = 0,
        blind: bool = False,
    ) -> None:
        check_optional_count('vocab_size', vocab_size)
        check_count('pad_token', pad_token, 0, math.inf if vocab_size is None else vocab_size - 1)
        for name, values, interval in (('mean', mean, '(-inf, inf)'), ('std', std, '(0, inf)')):
            if values is None and mean is std:
                continue
            if not isinstance(values, Sequence) or isinstance(values, str) or len(values) not in (1, 3):
                raise ValueError(f'{name} must be one number for each of 3 channels, or [one] for all, got {values!r}')
            for value in values:
                check_number(name, value, interval)
        super().__init__(mean=mean, std=std, bgr_to_rgb=bgr_to_rgb)
        self.vocab_size = vocab_size
        self.pad_token = pad_token
        self.blind = blind

    def forward(self, data: dict, training: bool = False) -> dict:
        """A dict of images (B, C, H, W), token_ids (T, L), text_mask (T, L), image_ids (B,), text_ids (T,), texts_per_image
        (list of int) and data_samples."""
        samples = data['data_samples']
        if 'text_inputs' in samples[0]:
            return self._features(data['inputs'], samples)
        texts = [torch.as_tensor(tokens) for sample in samples for tokens in sample.token_ids]
        largest = max(int(tokens.max()) for tokens in texts)
        if self.vocab_size is not None and largest >= self.vocab_size:
            raise ValueError(
                f'token id {largest} is outside the vocabulary of {self.vocab_size}: the tokenizer of the pipeline and '
                '`vocab_size` of the model belong to different vocabularies'
            )
        inputs = data['inputs']
        if isinstance(inputs[0], (list, tuple)):  # MMEngine's collate function has made two lists of the pairs
            inputs = [image for side in inputs for image in side]
        images = super().forward({'inputs': inputs}, training)['inputs']
        if self.blind:
            images = torch.zeros_like(images)
        token_ids_TL, mask_TL = pad_texts(texts, self.pad_token)
        return dict(
            images=images,
            token_ids=self.cast_data(token_ids_TL),
            text_mask=self.cast_data(mask_TL),
            **self._about(samples),
        )

    def _features(self, image_features: list[Tensor], samples: list[BaseDataElement]) -> dict:
        """As `forward`, with images (B, D) and token_ids (T, D_t), float, and no mask."""
        return dict(
            images=self.cast_data(torch.stack(image_features).float()),
            token_ids=self.cast_data(torch.cat([sample.text_inputs for sample in samples]).float()),
            text_mask=None,
            **self._about(samples),
        )

    def _about(self, samples: list[BaseDataElement]) -> dict:
        return dict(
            image_ids=self.cast_data(torch.tensor([sample.image_id for sample in samples])),
            text_ids=self.cast_data(torch.tensor([text for sample in samples for text in sample.text_ids])),
            texts_per_image=[len(sample.text_ids) for sample in samples],
            data_samples=samples,
        )
