"""Loads pixels from a file, a PIL image or an array, by one rule and within limits."""

import io
import os
from typing import TypeAlias

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image

from sacl_mm.datasets.archives import find_member
from sacl_mm.datasets.image_files import regular_file_size
from sacl_mm.datasets.pixels import orientation_of, pixels_of, pixels_of_array
from sacl_mm.registry import TRANSFORMS
from sacl_mm.user_error import BrokenSampleError

ImageSource: TypeAlias = str | os.PathLike | np.ndarray | Image.Image
"""A path, an array as cv2 loads it (uint8 or uint16, grey, BGR or BGRA), or a PIL image."""

# Rasters only: of others, Pillow hands EPS to an interpreter of PostScript. AVIF needs Pillow 11.3.
_WANTED = ('JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF', 'JPEG2000', 'PPM', 'AVIF')
Image.init()
FORMATS = tuple(name for name in _WANTED if name in Image.OPEN)
_BYTES_PER_PIXEL = 8  # the most that an image needs without compression: four channels of 16 bits


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Load an image by the rule of `sacl_mm.datasets.pixels`, in place of `LoadImageFromFile`.

    `img_path` is a path, also into an archive, or, as in `ImageTextInferencer`, a PIL image or an array.
    `img` becomes an array (H, W, 3), uint8, in BGR; `img_shape` and `ori_shape` (H, W).

    JPEG and PNG of 8 bits a channel without transparency or rotation are decoded by OpenCV, about twice as fast as by Pillow
    and pixel by pixel as `LoadImageFromFile` does; everything else by Pillow, so that it does not depend on OpenCV's version.

    Args:
        max_pixels: larger images are refused by what their header says, before anything is decoded. Pillow's own limit of
            179 million holds besides; it is twice `PIL.Image.MAX_IMAGE_PIXELS`.
        backend_args: of MMEngine's file backends, for paths that are addresses or that the backend maps to such.

    Raises:
        BrokenSampleError: no regular file, not readable, no image, damaged, too large, or of a kind that the rule refuses.
    """

    def __init__(self, max_pixels: int = 100_000_000, backend_args: dict | None = None) -> None:
        if max_pixels < 1:
            raise ValueError(f'max_pixels must be at least 1, got {max_pixels}')
        self.max_pixels, self.backend_args = max_pixels, backend_args

    def transform(self, results: dict) -> dict:
        """Add `img`."""
        source = results['img_path']
        try:
            if isinstance(source, np.ndarray):
                image = pixels_of_array(source)
            elif isinstance(source, Image.Image):
                self._check_size(source)
                image = pixels_of(source)
            else:
                image = self._decode(self._read(os.fspath(source)))
        except Exception as error:  # decoders raise errors of every kind for damaged bytes
            name = _name(source)
            raise BrokenSampleError(f'{name}: {_reason(error)}', name) from error
        return results | dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])

    def _read(self, path: str) -> bytes:
        if self.backend_args is not None or '://' in path:
            return fileio.get(path, backend_args=self.backend_args)
        size = regular_file_size(path)
        if size > _BYTES_PER_PIXEL * self.max_pixels:
            raise ValueError(f'{size:,} bytes are too many for an image of at most max_pixels={self.max_pixels:,}')
        if (member := find_member(path)) is not None:
            return member.read()
        with open(path, 'rb', buffering=0) as file:
            return file.read()

    def _decode(self, content: bytes) -> np.ndarray:
        if not content:
            raise ValueError('the file is empty')
        image = Image.open(io.BytesIO(content), formats=FORMATS)  # reads the header only
        self._check_size(image)
        if _is_plain(image, content):
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            if pixels is not None:
                return pixels
        return pixels_of(image)  # or says what is wrong

    def _check_size(self, image: Image.Image) -> None:
        width, height = image.size
        if width * height > self.max_pixels:
            raise ValueError(f'{width:,} x {height:,} pixels are more than max_pixels={self.max_pixels:,}')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_pixels={self.max_pixels}, backend_args={self.backend_args})'


def _is_plain(image: Image.Image, content: bytes) -> bool:
    """Whether OpenCV and Pillow see the same pixels."""
    if image.mode not in ('RGB', 'L') or 'transparency' in image.info:
        return False
    if image.format == 'PNG':  # Pillow would decode it all in search of EXIF behind the pixels
        return not any(tag in content for tag in (b'eXIf', b'Raw profile type', b'XML:com.adobe.xmp'))
    return image.format in ('JPEG', 'MPO') and orientation_of(image) == 1


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f'no image of a format that is read ({", ".join(FORMATS)})'
    if isinstance(error, Image.DecompressionBombError):
        return f'more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels'
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return ' '.join(str(error).split()) or type(error).__name__  # some run over several lines


def _name(source: ImageSource) -> str:
    if isinstance(source, np.ndarray):
        return 'array'
    if isinstance(source, Image.Image):
        return getattr(source, 'filename', '') or f'PIL image {source.mode} {source.size[0]} x {source.size[1]}'
    return os.fspath(source)
