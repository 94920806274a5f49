"""Stored outputs of a frozen backbone in place of an image's pixels: a grid, or a sequence of tokens."""

import os
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform

from sacl_mm.datasets.image_files import regular_file_size
from sacl_mm.registry import TRANSFORMS
from sacl_mm.user_error import BrokenSampleError


@TRANSFORMS.register_module()
class LoadImageGrid(BaseTransform):
    """Load a frozen backbone's output for an image, in place of `LoadImage` and of resizing.

    `img` becomes the array (H, W, C), floating point, of ROOT/NAME.npy, NAME being the image's without its suffix;
    flipping it (`mmpretrain.RandomFlip`) is close to flipping the image.

    Args:
        root: the folder that `tools/cache_grids.py` wrote.
        size: (H, W) to average a finer grid to, each cell being the mean of the cells that it overlaps
            (`torch.nn.functional.adaptive_avg_pool2d`); None keeps grids as they are.

    Raises:
        BrokenSampleError: no such file (as of an image that could not be read), or no grid in it.
        ValueError: a grid that is coarser than `size`.
    """

    def __init__(self, root: str, size: tuple[int, int] | None = None) -> None:
        self.root, self.size = root, size

    def transform(self, results: dict) -> dict:
        """Read the grid of `img_path`."""
        path = _path(self.root, results['img_path'])
        grid = _read(path, results['img_path'], 3)
        if self.size is not None and grid.shape[:2] != tuple(self.size):
            grid = _averaged(grid, self.size, path)
        results['img'] = grid
        results['img_shape'] = results['ori_shape'] = grid.shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadImageTokens(BaseTransform):
    """As `LoadImageGrid`, for a backbone that yields a sequence (a ViT): `img` becomes the tensor (N, C), floating point.

    A sequence has no sides to flip; `mmpretrain.RandomFlip` after it raises.

    Args:
        root: the folder that `tools/cache_grids.py` wrote.

    Raises:
        BrokenSampleError: no such file (as of an image that could not be read), or no tokens in it.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def transform(self, results: dict) -> dict:
        """Read the tokens of `img_path`."""
        tokens = _read(_path(self.root, results['img_path']), results['img_path'], 2)
        results['img'] = torch.from_numpy(tokens)  # as an array, PackInputs would take it for a grey image
        results['img_shape'] = results['ori_shape'] = tokens.shape[:1]
        return results


_MAX_BYTES = 1 << 28
_KINDS = {2: 'tokens (N, C)', 3: 'a grid of features (H, W, C)'}


def _path(root: str, image: str) -> str:
    return os.path.join(root, os.path.splitext(os.path.basename(image))[0] + '.npy')


def _read(path: str, image: str, dimensions: int) -> np.ndarray:
    try:
        size = regular_file_size(path)
        if size > _MAX_BYTES:
            raise ValueError(f'{size:,} bytes are more than {_MAX_BYTES:,}')
        # Mapped: a header that claims more than the file holds is refused before memory is taken.
        features = np.lib.format.open_memmap(path, mode='r')
    except FileNotFoundError as error:
        raise BrokenSampleError(
            f"'{path}' for the image '{image}' does not exist: make it with tools/cache_grids.py", path
        ) from error
    except (ValueError, OSError, EOFError, TypeError, OverflowError) as error:  # the latter two of sizes that overflow
        raise BrokenSampleError(
            f"'{path}' cannot be read ({error}): delete it and make it anew with tools/cache_grids.py", path
        ) from error
    if features.ndim != dimensions or not np.issubdtype(features.dtype, np.floating):
        raise BrokenSampleError(
            f"'{path}' holds {features.dtype} of shape {features.shape}, not {_KINDS[dimensions]}: delete it and make it anew "
            'with tools/cache_grids.py',
            path,
        )
    return np.array(features)


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
    """(averaged, cells): the share of each finer cell in each averaged one."""
    return F.adaptive_avg_pool1d(torch.eye(cells), averaged).t().contiguous().numpy()
