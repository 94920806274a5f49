"""From a configuration and a checkpoint to a model that is ready to use."""

import copy
import os
import pickle

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from torch import Tensor

from sacl_mm.engine.config_check import UserError, check_config, check_file
from sacl_mm.engine.strict_loading_hook import check_fits
from sacl_mm.models.starting_weights import fit_to_task
from sacl_mm.registry import MODELS


def read_config(config: str | os.PathLike | Config) -> Config:
    """The configuration, checked; the caller's own.

    Raises:
        UserError: no such file, or a misspelt key.
    """
    if not isinstance(config, Config):
        check_file(os.fspath(config), 'configuration')
        config = Config.fromfile(config)
    check_config(config)
    return copy.deepcopy(config)


def load_model(cfg: Config, checkpoint: str | os.PathLike, device: str | torch.device | None = None) -> BaseModel:
    """The model in evaluation mode with the checkpoint's weights; no other weights are read.

    Unlike at the start of a training no part may be new: what only training needs is left out or stays as it is,
    everything else comes from the checkpoint.

    Raises:
        UserError: no such file, no checkpoint, or one that does not fit.
    """
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'sacl_mm'):
        model = MODELS.build(cfg.model)
    own = model.state_dict()
    state = fit_to_task(_read_weights(os.fspath(checkpoint)), own)
    check_fits(state, own, f"'{checkpoint}'")
    model.load_state_dict(state)
    return model.to(device or get_device()).eval()


def _read_weights(path: str) -> dict[str, Tensor]:
    check_file(path, 'checkpoint')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"checkpoint '{path}' cannot be read as data ({reason}): is it whole, and written with PlainCheckpointHook?"
        ) from error
    if not isinstance(checkpoint, dict):
        raise UserError(f"checkpoint '{path}' holds a {type(checkpoint).__name__}, not a dict of weights")
    state = checkpoint.get('state_dict', checkpoint)
    return {key.removeprefix('module.'): value for key, value in state.items()}
