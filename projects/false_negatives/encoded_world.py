"""The embedded world as a frozen backbone sees it: encoded once, read by all runs, which halves what a run costs."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sacl_mm.checkpoints.weights import read_state_dict, weights_hash
from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.datasets import ShapeWorld
from sacl_mm.datasets.shape_world import render_scene, scene_of
from sacl_mm.models.evidence.base import build_frozen
from sacl_mm.registry import DATASETS, MODELS

_AT_ONCE = 128


@DATASETS.register_module()
class EncodedShapeWorld(ShapeWorld):
    """A `ShapeWorld` whose `img` is the backbone's last grid (H, W, C), float32.

    Args:
        backbone: with weights in its `init_cfg`; takes RGB.
        mean, std: of the pixels.
        cache: the folder where grids are kept, in float16.
        options: of `ShapeWorld`.
    """

    def __init__(
        self, backbone: dict, mean: float = 127.5, std: float = 64.0, cache: str = 'work_dirs/grids', **options: Any
    ) -> None:
        self.backbone, self.mean, self.std, self.cache = backbone, mean, std, cache
        super().__init__(**options)

    def full_init(self) -> None:
        if not self._fully_initialized:
            self._grids = self._read_or_encode()
            super().full_init()

    def _draw(self, key: int, scene: object) -> NDArray:
        return self._grids[key - self.numbers.start].astype(np.float32)

    def _read_or_encode(self) -> NDArray:
        weights = weights_hash(read_state_dict(self.backbone['init_cfg']['checkpoint'], 'checkpoint of the backbone'))
        parts = (self.backbone, weights, self.mean, self.std, self.image_size, self.seed, self.numbers)
        path = Path(self.cache, f'{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.npy')
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f'.{os.getpid()}.part')
            with part.open('wb') as file:
                np.save(file, self._encode())
            part.rename(path)
        return np.load(path, mmap_mode='r', allow_pickle=False)

    @torch.no_grad()
    def _encode(self) -> NDArray:
        load_mmpretrain()
        backbone = build_frozen('backbone', self.backbone)
        grids = []
        for start in range(0, len(self.numbers), _AT_ONCE):
            numbers = self.numbers[start : start + _AT_ONCE]
            images = np.stack([render_scene(scene_of(self.seed, number), self.image_size) for number in numbers])
            pixels = torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2).float()
            grids.append(backbone((pixels - self.mean) / self.std)[-1].permute(0, 2, 3, 1).half().numpy())
        return np.concatenate(grids)


@MODELS.register_module()
class StoredGrid(nn.Module):
    """A backbone that hands on what another one made."""

    def forward(self, grid_BCHW: Tensor) -> Sequence[Tensor]:
        return (grid_BCHW,)
