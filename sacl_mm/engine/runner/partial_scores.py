"""Scores of a long evaluation, kept on disk, so that a killed one can continue."""

import hashlib
import os
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from sacl_mm.checkpoints.files import read_plain

_SECONDS = 60.0


class PartialScores:
    """The scores of each batch that is done; written about once a minute.

    Args:
        path: of the file. An existing one is continued if it has the same fingerprint, else overwritten.
        fingerprint: of all that the scores are a function of, see `fingerprint_of`.
        seconds: between two writings.
    """

    def __init__(self, path: Path, fingerprint: str, seconds: float = _SECONDS) -> None:
        self.path, self.fingerprint, self.seconds = path, fingerprint, seconds
        self.scores: dict[int, Tensor] = {}
        self._written = time.monotonic()
        if path.is_file():
            try:
                found = read_plain(path)
            except ValueError:
                return  # another file, or a broken one: it will be overwritten
            if isinstance(found, dict) and found.get('fingerprint') == fingerprint and 'scores' in found:
                self.scores = found['scores']

    def add(self, batch: int, scores: Tensor) -> None:
        """Keep a batch's scores."""
        self.scores[batch] = scores
        if time.monotonic() - self._written >= self.seconds:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside = self.path.with_suffix('.tmp')
            torch.save(dict(fingerprint=self.fingerprint, scores=self.scores), beside)
            os.replace(beside, self.path)  # a kill leaves the last complete file
            self._written = time.monotonic()

    def finish(self) -> None:
        """Delete the file, when the evaluation is done."""
        self.path.unlink(missing_ok=True)


def fingerprint_of(*parts: nn.Module | Tensor | int | str) -> str:
    """A hash of weights, tensors and settings."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, nn.Module):
            # `state_dict` would release sharded weights that were gathered for an evaluation.
            for name, tensor in (*part.named_parameters(), *part.named_buffers()):
                digest.update(name.encode())
                digest.update(_bytes(tensor))
        else:
            digest.update(_bytes(part) if isinstance(part, Tensor) else repr(part).encode())
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    # A copy: memory shared with NumPy could not be freed when gathered weights are released.
    return tensor.detach().to('cpu', copy=True).contiguous().view(-1).view(torch.uint8).numpy().tobytes()
