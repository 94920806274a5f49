"""Small images of every kind, and what `LoadImage` makes of them."""

import io

import cv2
import numpy as np
from PIL import Image

from sacl_mm.datasets import LoadImage

SHAPE = (20, 30)
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, SHAPE, np.uint8)
RGB = cv2.resize(RNG.integers(0, 256, (5, 8, 3), np.uint8), SHAPE[::-1])
ALPHA = RNG.integers(0, 256, SHAPE, np.uint8)
SIXTEEN = RNG.integers(0, 1 << 16, (*SHAPE, 3), np.uint16)


def load(source, **options) -> np.ndarray:
    results = LoadImage(**options)(dict(img_path=source))
    assert results['img'].dtype == np.uint8
    assert results['img'].flags.c_contiguous
    assert results['img_shape'] == results['ori_shape'] == results['img'].shape[:2]
    return results['img']


def saved(image: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()
