"""Grids of features in place of pixels."""

import os

import numpy as np
from mmcv.transforms import BaseTransform

from sacl_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImageGrid(BaseTransform):
    """Load what a frozen backbone made of a picture, in place of `LoadImageFromFile` and of resizing.

    `img` becomes the array (H, W, C), floating point, of ROOT/NAME.npy, NAME being the picture's without its suffix;
    flipping it (`mmpretrain.RandomFlip`) is close to flipping the picture.

    Args:
        root: the folder that `tools/cache_grids.py` wrote.

    Raises:
        FileNotFoundError, ValueError: no such file, or no grid in it.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def transform(self, results: dict) -> dict:
        """Read the grid of `img_path`."""
        name = os.path.splitext(os.path.basename(results['img_path']))[0]
        path = os.path.join(self.root, f'{name}.npy')
        grid = _read(path, results['img_path'])
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
