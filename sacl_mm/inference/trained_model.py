"""From a configuration and a checkpoint to a model that is ready to use."""

import copy
import os

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope

from sacl_mm.build_errors import build_mistake
from sacl_mm.checkpoints.weights import check_finite_weights
from sacl_mm.engine.checks.config_check import check_config
from sacl_mm.engine.checks.config_file import config_from_file
from sacl_mm.engine.checks.weights import check_checkpoint
from sacl_mm.models.starting_weights import fit_to_task
from sacl_mm.models.strict_loading import check_fits
from sacl_mm.registry import MODELS
from sacl_mm.user_error import UserError


def read_config(config: str | os.PathLike | Config) -> Config:
    """The configuration, checked; the caller's own.

    Raises:
        UserError: no configuration, or a mistake in it.
    """
    if not isinstance(config, Config):
        config = config_from_file(os.fspath(config))
    check_config(config)
    return copy.deepcopy(config)


def load_model(cfg: Config, checkpoint: str | os.PathLike, device: str | torch.device | None = None) -> BaseModel:
    """The model in evaluation mode with the checkpoint's weights; no other weights are read.

    Unlike at the start of a training no part may be new: what only training needs is left out or stays as it is,
    everything else comes from the checkpoint.

    Raises:
        UserError: no such file, no checkpoint, or one that does not fit or is not finite; no model in the configuration, or a
            wrong one.
    """
    if cfg.get('model') is None:
        raise UserError('the configuration has no model')
    try:
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'sacl_mm'):
            model = MODELS.build(cfg.model)
    except UserError:
        raise
    except Exception as error:
        mistake = build_mistake(error)
        if mistake is None:
            raise
        raise UserError(mistake) from error
    own = model.state_dict()
    weights = check_checkpoint(checkpoint, 'checkpoint')
    if weights is None:
        raise UserError(f"checkpoint '{checkpoint}' is on another machine: fetch it first")
    state = fit_to_task(weights, own)
    check_fits(state, own, f"'{checkpoint}'")
    check_finite_weights(state, f"checkpoint '{checkpoint}'")
    model.load_state_dict(state)
    return model.to(device or get_device()).eval()
