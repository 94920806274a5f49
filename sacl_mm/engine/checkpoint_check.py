"""Finds a file that is no checkpoint before a model is built for it."""

import os

from torch import Tensor

from sacl_mm.checkpoints.weights import read_state_dict
from sacl_mm.user_error import UserError


def check_checkpoint(path: str | os.PathLike, what: str) -> dict[str, Tensor] | None:
    """The weights, left on the disk until they are looked at; None of a remote file, which is left to MMEngine.

    Args:
        what: the role of the file, for the message.

    Raises:
        UserError: there is no such file, it cannot be read as data, or it holds no dict of weights.
    """
    if '://' in os.fspath(path):
        return None
    try:
        return read_state_dict(os.path.expanduser(path), what, in_place=True)
    except FileNotFoundError as error:
        raise UserError(str(error)) from None
