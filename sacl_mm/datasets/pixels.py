"""One rule for pixels: what an image of any kind is as an array (H, W, 3), uint8, in BGR.

It holds for files, PIL images and arrays alike:

* transparent parts lie on white, whether by an alpha channel or by a transparent colour;
* a grey image has three equal channels; one with a palette has the palette's colours; CMYK is Adobe's, as Pillow converts it;
* 16 bits become 8 by their upper byte; 1 bit becomes 0 or 255;
* the camera's orientation (EXIF, or XMP without it) is applied; of an animation the first frame is taken, of a PIL image
  the frame that it stands at; colour profiles are ignored;
* 32-bit integers and floating point are refused: what is black and what is white is not known.
"""

import numpy as np
from PIL import Image

Transpose = Image.Transpose

# By EXIF's orientation; 1 is upright.
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
# Formats whose 32-bit integers hold 16 bits: that is how Pillow has opened 16-bit grey.
_SIXTEEN_BITS_AS_I = ('PNG', 'PPM')


def pixels_of(image: Image.Image) -> np.ndarray:
    """A PIL image by the rule above.

    Raises:
        ValueError: a mode that the rule refuses or that Pillow cannot convert.
    """
    check_mode(image)
    image.load()  # TIFF applies its orientation, PNG finds EXIF behind the pixels
    sixteen_bits = image.mode[0] == 'I'
    orientation = orientation_of(image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if sixteen_bits:
        return _colours(_upper_byte(np.asarray(image), image.info.get('transparency')))
    if image.has_transparency_data:
        white = Image.new('RGBA', image.size, 'white')
        white.alpha_composite(_with_alpha(image))
        image = white
    return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])


def pixels_of_array(array: np.ndarray) -> np.ndarray:
    """An array by the rule above: (H, W) or (H, W, 1) grey, (H, W, 3) BGR or (H, W, 4) BGRA, as cv2 loads them.

    Raises:
        ValueError: another shape, or neither uint8, uint16 nor bool.
    """
    check_array(array)
    if array.dtype == np.bool_:
        array = array * np.uint8(255)
    elif array.dtype.itemsize == 2:
        array = _upper_byte(array)
    if array.ndim == 3 and array.shape[2] == 4:
        return pixels_of(Image.fromarray(np.ascontiguousarray(array[..., [2, 1, 0, 3]])))
    return _colours(array)


def check_mode(image: Image.Image) -> None:
    """Raises ValueError for a PIL image whose values have no known range; nothing is decoded."""
    if image.mode == 'F' or (image.mode == 'I' and image.format not in _SIXTEEN_BITS_AS_I):
        raise ValueError(f'is of mode {image.mode}, 32 bits a pixel without a known range: scale it to 8 bits')
    if not all(image.size):
        raise ValueError(f'has no pixels: {image.size[0]} x {image.size[1]}')


def check_array(array: np.ndarray) -> None:
    """Raises ValueError for an array that `pixels_of_array` does not take."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or not array.size:
        raise ValueError(
            f'must be an array (H, W), (H, W, 3) in BGR or (H, W, 4) in BGRA, got {array.dtype} of shape {array.shape}'
        )
    if array.dtype.str[1:] not in ('u1', 'u2', 'b1'):
        raise ValueError(f'must be uint8, uint16 or bool, got {array.dtype} of shape {array.shape}: scale it to 8 bits')


def orientation_of(image: Image.Image) -> int:
    """EXIF's, 1 where there is none or it cannot be read."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever Pillow raises for EXIF that is damaged; the pixels need not be
        return 1


def _colours(grey_or_bgr: np.ndarray) -> np.ndarray:
    """(H, W, 3) from (H, W), (H, W, 1) or (H, W, 3)."""
    if grey_or_bgr.ndim == 2:
        grey_or_bgr = grey_or_bgr[..., None]
    return np.ascontiguousarray(np.broadcast_to(grey_or_bgr, (*grey_or_bgr.shape[:2], 3)))


def _upper_byte(array: np.ndarray, transparent: int | None = None) -> np.ndarray:
    bytes_ = (array >> 8).astype(np.uint8)
    if transparent is not None:
        bytes_[array == transparent] = 255
    return bytes_


def _with_alpha(image: Image.Image) -> Image.Image:
    if image.mode == 'La':  # Pillow converts it, premultiplied grey, only by this step
        image = image.convert('LA')
    return image.convert('RGBA')
