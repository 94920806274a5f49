"""Grids of features in place of pixels."""

import os
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform

from sacl_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImageGrid(BaseTransform):
    """Load what a frozen backbone made of a picture, in place of `LoadImageFromFile` and of resizing.

    `img` becomes the array (H, W, C), floating point, of ROOT/NAME.npy, NAME being the picture's without its suffix;
    flipping it (`mmpretrain.RandomFlip`) is close to flipping the picture.

    Args:
        root: the folder that `tools/cache_grids.py` wrote.
        size: (H, W) to average a finer grid to, each cell being the mean of the cells that it overlaps
            (`torch.nn.functional.adaptive_avg_pool2d`); None keeps grids as they are.

    Raises:
        FileNotFoundError, ValueError: no such file, or no grid in it, or one that is coarser than `size`.
    """

    def __init__(self, root: str, size: tuple[int, int] | None = None) -> None:
        self.root, self.size = root, size

    def transform(self, results: dict) -> dict:
        """Read the grid of `img_path`."""
        name = os.path.splitext(os.path.basename(results['img_path']))[0]
        path = os.path.join(self.root, f'{name}.npy')
        grid = _read(path, results['img_path'])
        if self.size is not None and grid.shape[:2] != tuple(self.size):
            grid = _averaged(grid, self.size, path)
        results['img'] = grid
        results['img_shape'] = results['ori_shape'] = grid.shape[:2]
        return results


def _read(path: str, picture: str) -> np.ndarray:
    try:
        grid = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"grid '{path}' of the picture '{picture}' does not exist: make it with tools/cache_grids.py"
        ) from error
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"'{path}' cannot be read ({error}): delete it and make it anew with tools/cache_grids.py"
        ) from error
    if grid.ndim != 3 or not np.issubdtype(grid.dtype, np.floating):
        raise ValueError(
            f"'{path}' holds {grid.dtype} of shape {grid.shape}, not a grid of features (H, W, C): delete it and make it "
            'anew with tools/cache_grids.py'
        )
    return grid


def _averaged(grid_HWC: np.ndarray, size: tuple[int, int], path: str) -> np.ndarray:
    if grid_HWC.shape[0] < size[0] or grid_HWC.shape[1] < size[1]:
        raise ValueError(f"'{path}' has {grid_HWC.shape[0]} x {grid_HWC.shape[1]} cells, fewer than size={tuple(size)}")
    # As two products, because adaptive_avg_pool2d wants the channels first; NumPy's, because torch's would be autocast in an
    # evaluation in mixed precision.
    cells_HWC = grid_HWC.astype(np.float32)
    rows_hWC = np.tensordot(_overlap(cells_HWC.shape[0], size[0]), cells_HWC, axes=1)
    return (_overlap(cells_HWC.shape[1], size[1]) @ rows_hWC).astype(grid_HWC.dtype)


@lru_cache
def _overlap(cells: int, averaged: int) -> np.ndarray:
    """(averaged, cells): which share of each averaged cell a finer one is."""
    return F.adaptive_avg_pool1d(torch.eye(cells), averaged).t().contiguous().numpy()
