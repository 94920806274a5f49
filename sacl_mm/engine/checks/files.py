"""Files that tools write: checked before the work is done, and written completely or not at all."""

import errno
import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement
from torch import Tensor

from sacl_mm.user_error import UserError

# What the user can mend.
_HINTS = {
    errno.ENOENT: '',
    errno.ENOTDIR: '',
    errno.EISDIR: '',
    errno.EEXIST: '',
    errno.EACCES: '',
    errno.EPERM: '',
    errno.EROFS: '',
    errno.ENAMETOOLONG: '',
    errno.ELOOP: '',
    errno.EIO: '',
    errno.EFBIG: '',
    errno.ENOSPC: ': free some space',
    errno.EDQUOT: ': free some space',
    errno.EMFILE: ': raise the limit with `ulimit -n`',
}


def check_folder(folder: str | os.PathLike, what: str) -> None:
    """Raises UserError unless files can be written to this folder, or to the folder in which it would be created."""
    there = Path(os.path.abspath(folder))
    try:
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            raise UserError(f"{what} '{folder}' cannot be used: '{there}' is a file, not a folder")
        with tempfile.TemporaryFile(dir=there):  # unlike permissions, this also tells for root
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise UserError(f"{what} '{folder}' cannot be written to: {reason}: '{there}'") from error


def check_json_file(path: str, what: str) -> None:
    """Raises UserError unless a JSON file can be written there.

    Args:
        what: its role, for the message.
    """
    if os.path.isdir(path):
        raise UserError(f"{what} '{path}' is a folder: name a .json file")
    if not path.endswith('.json'):
        raise UserError(f"{what} '{path}' must end in .json, the only format that is written")
    check_folder(os.path.dirname(os.path.abspath(path)), f'the folder of {what}')


def write_json(path: str, content: Any, indent: int | None = 2) -> None:
    """Write a JSON file, whole or not at all; its folder is made.

    Raises:
        UserError: names the file that the disk does not take.
    """
    folder = os.path.dirname(os.path.abspath(path))
    unfinished = None
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile('w', encoding='utf-8', dir=folder, suffix='.part', delete=False) as file:
            unfinished = file.name
            json.dump(plain(content), file, ensure_ascii=False, indent=indent, allow_nan=False)
            file.write('\n')
        os.chmod(unfinished, 0o666 & ~_umask())  # temporary files are private
        os.replace(unfinished, path)
    except OSError as error:
        raise UserError(f"'{path}' cannot be written: {error.strerror}") from error
    finally:
        if unfinished is not None and os.path.exists(unfinished):
            os.unlink(unfinished)


def plain(value: Any) -> Any:
    """What JSON can hold: tensors and arrays as lists, data samples as dicts, what is no finite number as null, and anything
    else that JSON does not know in words."""
    if isinstance(value, BaseDataElement):
        value = value.to_dict()
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):  # half a character cannot be written
        return value.encode('utf-8', 'replace').decode()
    return value if isinstance(value, (bool, int, type(None))) else str(value)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class PredictionFile(BaseMetric):
    """Writes what the model returned for each sample, in the order of the data set: a list of dicts, in which tensors are
    lists (of features, scores, identifiers) and what is no finite number is null.

    Where processes share a test, they send their predictions through the temporary folder, as metrics do.

    Args:
        path: the JSON file.
    """

    default_prefix = 'predictions'  # of no measure

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        self.results += map(plain, data_samples)

    def compute_metrics(self, results: list) -> dict:
        write_json(self.path, results, indent=None)
        return {}


def file_mistake(error: OSError) -> str | None:
    """What is wrong; None for an error that only a bug explains."""
    if error.errno is None:  # raised in Python, in words
        # From a data loader's worker it comes with its traceback in front.
        return str(error).strip().rpartition('\n')[2] if isinstance(error, FileNotFoundError) else None
    if error.errno not in _HINTS:
        return None
    names = [
        os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes, os.PathLike))
    ]
    files = ' -> '.join(f"'{name}'" for name in names)
    return f'{files + ": " if files else ""}{error.strerror}{_HINTS[error.errno]}'
