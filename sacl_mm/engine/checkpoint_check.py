"""Finds a file that is no checkpoint before a model is built for it."""

import os
from typing import Any

from sacl_mm.checkpoints.files import read_plain
from sacl_mm.engine.config_check import check_file
from sacl_mm.user_error import UserError


def check_checkpoint(path: str | os.PathLike, what: str, in_place: bool = True) -> dict[str, Any] | None:
    """What the checkpoint holds; None of a remote one, which is left to MMEngine.

    Args:
        what: the role of the file, for the message.
        in_place: as in `read_plain`.

    Raises:
        UserError: there is no such file, it cannot be read as data, or it holds no dict of weights.
    """
    path = os.fspath(path)
    check_file(path, what)
    if '://' in path:
        return None
    try:
        checkpoint = read_plain(path, in_place)
    except ValueError as error:
        raise UserError(
            f"{what} '{path}' cannot be read as data ({error}): is it whole, and written with PlainCheckpointHook?"
        ) from error
    state = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else checkpoint
    if not isinstance(state, dict):
        raise UserError(f"{what} '{path}' holds a {type(state).__name__}, not a dict of weights")
    return checkpoint
