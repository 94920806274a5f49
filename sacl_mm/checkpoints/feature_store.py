"""Rows of numbers on disk by key, written in pieces, so that a computation that was interrupted goes on."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sacl_mm.checkpoints import read_plain


def row_key(*parts: str | int) -> int:
    """53 bits of what tells a row from others."""
    text = '\0'.join(map(str, parts)).encode(errors='surrogatepass')
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), 'big') >> 11


class FeatureStore:
    """Each `add` writes one file, whole or not at all. Rows are kept in float16.

    Args:
        folder: made if it is not there.

    Raises:
        UserError: a file in it is damaged; names it.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._place: dict[int, int] = {}
        self._pieces: list[Tensor] = []
        self._count = 0
        for path in sorted(self.folder.glob('*.safetensors')):
            piece = read_plain(path, 'features')
            self._take(piece['keys'].tolist(), piece['rows'])

    def __contains__(self, key: int) -> bool:
        return key in self._place

    def add(self, keys: Sequence[int], rows_ND: Tensor) -> None:
        if len(keys) != len(rows_ND):
            raise ValueError(f'{len(keys)} keys for {len(rows_ND)} rows')
        rows = rows_ND.half().cpu().contiguous()
        path = self.folder / f'{row_key(*keys):x}.safetensors'  # of its own, if two trainings write here
        part = path.with_suffix(f'.{os.getpid()}.part')
        save_file(dict(keys=torch.tensor(keys), rows=rows), part)
        part.rename(path)
        self._take(keys, rows)

    def rows(self, keys: Sequence[int]) -> Tensor:
        """(N, D) of these keys, which all must be there."""
        return torch.cat(self._pieces)[[self._place[key] for key in keys]]

    def _take(self, keys: Sequence[int], rows: Tensor) -> None:
        self._place |= {key: self._count + number for number, key in enumerate(keys)}
        self._count += len(keys)
        self._pieces.append(rows)
