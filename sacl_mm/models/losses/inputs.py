"""Checks of the contrastive loss's inputs, before anything is computed. They don't wait for a GPU.

Shapes: B pairs in the local batch, K queued pairs, D features.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sacl_mm.models.losses.pairs import FeaturePair, NegativeBank

# log(1 / tau) for tau = 1e-4, beyond any learned value: CLIP stops at log(100).
_LARGEST_LOGIT_SCALE = 9.21


def as_ids(name: str, ids: Tensor | Sequence[int] | None, features_BD: Tensor) -> Tensor | None:
    """The ids (B,) of a batch on its device, from a tensor, an array or a list of integers.

    Raises:
        ValueError: not B integers; on CPUs also a negative one, which would mark an empty slot of a bank.
    """
    if ids is None:
        return None
    try:
        ids_B = torch.as_tensor(ids, device=features_BD.device)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f'{name} must be ({len(features_BD)},) integers, got {type(ids).__name__} ({error})') from None
    is_integer = not ids_B.is_floating_point() and not ids_B.is_complex() and ids_B.dtype != torch.bool
    if ids_B.shape != features_BD.shape[:1] or not is_integer:
        raise ValueError(f'{name} must be ({len(features_BD)},) integers, got {tuple(ids_B.shape)} {ids_B.dtype}')
    if ids_B.device.type == 'cpu' and (ids_B < 0).any():
        raise ValueError(f'{name} must not be negative, got {int(ids_B.min())}')
    return ids_B


def temperature_of(logit_scale: Tensor, check_value: bool) -> Tensor:
    """tau = e^-logit_scale, a scalar with gradient. `check_value` waits for a GPU."""
    if not isinstance(logit_scale, Tensor) or logit_scale.numel() != 1 or not logit_scale.is_floating_point():
        raise ValueError(f"logit_scale must be the model's parameter, a tensor of one number, got {logit_scale!r}")
    if check_value and not abs(value := logit_scale.item()) <= _LARGEST_LOGIT_SCALE:
        raise ValueError(
            f'logit_scale is log(1 / tau), the parameter itself and not its exponential: {value:g} would be a '
            f'tau of e^{-value:g}'
        )
    exact = logit_scale if logit_scale.dtype == torch.float64 else logit_scale.float()
    return (-exact.reshape(())).exp()


def check_features(
    batch: FeaturePair, candidates: FeaturePair | None, evidence: Mapping[str, FeaturePair], bank: NegativeBank | None
) -> None:
    """Raises ValueError, which names the argument, for features that do not fit each other."""
    images_BD, texts_BD = batch
    for name, side in (('image_features', images_BD), ('text_features', texts_BD)):
        _check_floating(name, side)
    if images_BD.ndim != 2 or images_BD.shape != texts_BD.shape:
        raise ValueError(
            'image_features and text_features must be (B, D) and of equal shape, got '
            f'{tuple(images_BD.shape)} and {tuple(texts_BD.shape)}'
        )
    if (images_BD.dtype == torch.float64) != (texts_BD.dtype == torch.float64):
        raise ValueError(
            f'image_features and text_features must both be float64 or neither, got {images_BD.dtype} and {texts_BD.dtype}'
        )
    if not images_BD.numel():
        raise ValueError('a batch without pairs, or without features, has no loss')
    _check_device('text_features', texts_BD, images_BD)
    if candidates is not None:
        _check_pair('candidates', candidates, len(images_BD), images_BD.shape[1], images_BD)
    if bank is not None:
        _check_bank(bank, images_BD)
    for name, pair in evidence.items():
        _check_pair(f'evidence {name!r}', pair, len(images_BD), None, images_BD)
        if bank is not None:
            if name not in bank.evidence:
                raise ValueError(
                    f"the policy needs the evidence '{name}' of the bank, too: set bank.evidence['{name}']"
                )
            _check_pair(
                f'bank.evidence {name!r}', bank.evidence[name], len(bank.image_ids), pair[0].shape[1], images_BD
            )


def _check_floating(name: str, features: object) -> None:
    if not isinstance(features, Tensor):
        raise ValueError(
            f'{name} must be a tensor, got {type(features).__name__}; torch.from_numpy makes one of an array'
        )
    if not features.is_floating_point():
        raise ValueError(f'{name} must be of a floating type, got {features.dtype}')


def _check_device(name: str, x: Tensor, images_BD: Tensor) -> None:
    if x.device != images_BD.device:
        raise ValueError(f'{name} is on {x.device}, image_features on {images_BD.device}')


def _check_pair(name: str, pair: FeaturePair, count: int, width: int | None, images_BD: Tensor) -> None:
    """`width` None: any, but the same on both sides."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f'{name} must be a FeaturePair(image, text), got {type(pair).__name__}')
    for side in pair:
        _check_floating(f'{name} features', side)
        _check_device(f'{name} features', side, images_BD)
    if not len(pair[0]) == len(pair[1]) == count:
        raise ValueError(f'{name} features are of {len(pair[0])} images and {len(pair[1])} texts, not of {count} pairs')
    shape = (count, pair[0].shape[-1] if width is None else width)
    if not pair[0].shape == pair[1].shape == shape:
        raise ValueError(f'{name} features must be {shape}, got {tuple(pair[0].shape)} and {tuple(pair[1].shape)}')


def _check_bank(bank: NegativeBank, images_BD: Tensor) -> None:
    if not isinstance(bank, NegativeBank):
        raise ValueError(f'bank must be a NegativeBank, got {type(bank).__name__}')
    count = len(bank.image_ids)
    _check_pair('bank', bank.features, count, images_BD.shape[1], images_BD)
    for name, ids_K in (('bank.image_ids', bank.image_ids), ('bank.text_ids', bank.text_ids)):
        if ids_K is None:
            continue
        if ids_K.shape != (count,) or ids_K.is_floating_point():
            raise ValueError(f'{name} must be ({count},) integers, got {tuple(ids_K.shape)} {ids_K.dtype}')
        _check_device(name, ids_K, images_BD)
