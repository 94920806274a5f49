"""Images: one rule for pixels, the same from a path, an array and PIL."""

import cv2
import numpy as np
import pytest
from image_examples import ALPHA, GREY, RGB, SHAPE, SIXTEEN, load
from mmcv.transforms import LoadImageFromFile
from PIL import Image


def on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """BGR, in float64."""
    share = alpha[..., None] / 255
    return (rgb * share + 255 * (1 - share))[..., ::-1]


def transparent_palette() -> Image.Image:
    image = Image.fromarray(GREY % 4, 'P')
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.info['transparency'] = 0
    return image


PALETTE_ON_WHITE = np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]])[GREY % 4][..., ::-1]
GREY3 = np.repeat(GREY[..., None], 3, 2)


def keyed(image: Image.Image, key) -> Image.Image:
    image.info['transparency'] = key
    return image


# name: (PIL image, suffix, options of saving, pixels in BGR)
KINDS = {
    'RGB PNG': (Image.fromarray(RGB), 'png', {}, RGB[..., ::-1]),
    'grey PNG': (Image.fromarray(GREY), 'png', {}, GREY3),
    'PNG with transparency': (Image.fromarray(np.dstack([RGB, ALPHA])), 'png', {}, on_white(RGB, ALPHA)),
    'PNG with transparency, black on black': (
        Image.fromarray(np.dstack([RGB * 0, np.minimum(ALPHA, 1) * 0])), 'png', {}, on_white(RGB * 0, ALPHA * 0)
    ),
    'grey with transparency': (Image.fromarray(np.dstack([GREY, ALPHA]), 'LA'), 'png', {}, on_white(GREY3, ALPHA)),
    'a palette': (Image.fromarray(RGB).quantize(8), 'png', {}, None),
    'a palette with transparency': (transparent_palette(), 'png', dict(transparency=0), PALETTE_ON_WHITE),
    'a palette with several alphas': (
        transparent_palette(), 'png', dict(transparency=bytes([0, 255, 255, 255])), PALETTE_ON_WHITE,
    ),
    'RGB with a transparent colour': (
        keyed(Image.fromarray(RGB), tuple(RGB[3, 4].tolist())), 'png', dict(transparency=tuple(RGB[3, 4].tolist())),
        np.where((RGB[3, 4] == RGB).all(2, keepdims=True), 255, RGB)[..., ::-1],
    ),
    'grey with a transparent level': (
        keyed(Image.fromarray(GREY), int(GREY[3, 4])), 'png', dict(transparency=int(GREY[3, 4])),
        np.where(GREY[3, 4] == GREY3, 255, GREY3),
    ),
    '16-bit grey': (Image.fromarray(SIXTEEN[..., 0]), 'png', {}, np.repeat(SIXTEEN[..., :1] >> 8, 3, 2)),
    '16-bit grey TIFF': (Image.fromarray(SIXTEEN[..., 0]), 'tif', {}, np.repeat(SIXTEEN[..., :1] >> 8, 3, 2)),
    '1 bit': (Image.fromarray(GREY > 99), 'png', {}, np.where(GREY3 > 99, 255, 0)),
    '1 bit TIFF': (Image.fromarray(GREY > 99), 'tif', {}, np.where(GREY3 > 99, 255, 0)),
    'CMYK TIFF': (Image.fromarray(RGB).convert('CMYK'), 'tif', {}, None),
    'CMYK JPEG': (Image.fromarray(RGB).convert('CMYK'), 'jpg', dict(quality=100), None),
    'RGB JPEG': (Image.fromarray(RGB), 'jpg', dict(quality=100), RGB[..., ::-1]),
    'progressive JPEG': (Image.fromarray(RGB), 'jpg', dict(quality=100, progressive=True), RGB[..., ::-1]),
    'JPEG without chroma subsampling': (Image.fromarray(RGB), 'jpg', dict(quality=99, subsampling=0), RGB[..., ::-1]),
    'grey JPEG': (Image.fromarray(GREY), 'jpg', dict(quality=100), GREY3),
    'BMP': (Image.fromarray(RGB), 'bmp', {}, RGB[..., ::-1]),
    'PPM': (Image.fromarray(RGB), 'ppm', {}, RGB[..., ::-1]),
    'GIF': (Image.fromarray(GREY), 'gif', {}, GREY3),
    'GIF with transparency': (transparent_palette(), 'gif', dict(transparency=0), PALETTE_ON_WHITE),
    'WebP': (Image.fromarray(RGB), 'webp', dict(lossless=True), RGB[..., ::-1]),
    'WebP with transparency': (
        Image.fromarray(np.dstack([RGB, ALPHA])), 'webp', dict(lossless=True, exact=True), on_white(RGB, ALPHA)
    ),
    'RGBA TIFF': (Image.fromarray(np.dstack([RGB, ALPHA])), 'tif', {}, on_white(RGB, ALPHA)),
}  # fmt: skip
LOSSY = ('JPEG',)


@pytest.mark.parametrize(('image', 'suffix', 'options', 'expected'), KINDS.values(), ids=KINDS)
def test_a_path_and_pil_give_the_same_pixels(image, suffix, options, expected, tmp_path, request):
    path = tmp_path / f'a.{suffix}'
    image.save(path, **options)
    found = load(str(path))
    assert found.shape == (*SHAPE, 3)
    with Image.open(path) as opened:
        assert np.abs(load(opened).astype(int) - found).max() <= (2 if suffix == 'jpg' else 0)
    if suffix != 'jpg':
        assert np.array_equal(load(image), found)
    assert np.array_equal(load(path), found)  # a Path
    if expected is None:
        expected = np.asarray(image.convert('RGB'))[..., ::-1]
    limit = 12 if suffix == 'jpg' else 1
    assert np.abs(found - expected.astype(float)).mean() <= limit
    if suffix != 'jpg':
        assert np.abs(found - expected.astype(float)).max() <= limit


ARRAYS = {
    'grey': (GREY, GREY3),
    'grey (H, W, 1)': (GREY[..., None], GREY3),
    'BGR': (RGB, RGB),
    'BGR, not contiguous': (RGB[..., ::-1], RGB[..., ::-1]),
    'BGRA': (np.dstack([RGB[..., ::-1], ALPHA]), on_white(RGB, ALPHA)),
    '1 bit': (GREY > 99, np.where(GREY3 > 99, 255, 0)),
    '16-bit grey': (SIXTEEN[..., 0], np.repeat(SIXTEEN[..., :1] >> 8, 3, 2)),
    '16-bit BGR': (SIXTEEN, SIXTEEN >> 8),
    '16-bit grey, the other byte order': (SIXTEEN[..., 0].astype('>u2'), np.repeat(SIXTEEN[..., :1] >> 8, 3, 2)),
    '16-bit BGRA': (
        np.dstack([SIXTEEN, ALPHA.astype(np.uint16) * 257]),
        on_white((SIXTEEN >> 8)[..., ::-1].astype(np.uint8), ALPHA),
    ),
}


@pytest.mark.parametrize(('array', 'expected'), ARRAYS.values(), ids=ARRAYS)
def test_arrays(array, expected):
    assert np.abs(load(array) - expected.astype(float)).max() <= 1


@pytest.mark.parametrize('name', ['16-bit grey', 'grey', 'BGRA', 'BGR', '16-bit BGR', '16-bit BGRA'])
def test_a_file_and_the_array_that_opencv_loads_from_it_give_the_same_pixels(name, tmp_path):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, np.ascontiguousarray(ARRAYS[name][0]))
    array = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert array.dtype == ARRAYS[name][0].dtype
    assert np.array_equal(load(path), load(array))
    with Image.open(path) as opened:
        assert np.array_equal(load(path), load(opened))


@pytest.mark.parametrize('quality', [50, 90, 100])
@pytest.mark.parametrize('options', [{}, dict(progressive=True), dict(subsampling=0), dict(subsampling=1)], ids=str)
@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_ordinary_jpegs_are_what_mmcvs_loader_makes_of_them(quality, options, mode, tmp_path):
    path = str(tmp_path / 'a.jpg')
    Image.fromarray(cv2.resize(RGB, (231, 117))).convert(mode).save(path, quality=quality, **options)
    assert np.array_equal(load(path), LoadImageFromFile()(dict(img_path=path))['img'])


TURNED = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.transpose(1, 0, 2),
          6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: np.rot90}  # fmt: skip


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
@pytest.mark.parametrize('orientation', TURNED)
def test_exif_orientation_is_applied(orientation, suffix, tmp_path):
    turn = TURNED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / f'a.{suffix}')
    Image.fromarray(RGB).save(path, exif=exif, **(dict(lossless=True) if suffix == 'webp' else dict(quality=100)))
    found = load(path)
    assert np.abs(found - turn(RGB[..., ::-1]).astype(float)).mean() <= (12 if suffix == 'jpg' else 0)
    with Image.open(path) as opened:
        assert np.abs(load(opened).astype(int) - found).max() <= (2 if suffix == 'jpg' else 0)


@pytest.mark.parametrize(
    'exif', [b'Exif\0\0', b'Exif\0\0II*\0', b'Exif\0\0' + b'\xff' * 50, b'Exif\0\0MM\0*\0\0\0\x08\xff\xff']
)
def test_damaged_exif_does_not_break_an_image(exif, tmp_path):
    path = str(tmp_path / 'a.jpg')
    Image.fromarray(RGB).save(path, exif=exif)
    assert np.array_equal(load(path), LoadImageFromFile()(dict(img_path=path))['img'])


@pytest.mark.parametrize('suffix', ['gif', 'webp', 'png', 'tif'])
def test_of_an_animation_the_first_frame(suffix, tmp_path):
    path = str(tmp_path / f'a.{suffix}')
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (200, 10, 100)]
    frames[0].save(path, save_all=True, append_images=frames[1:], **(dict(lossless=True) if suffix == 'webp' else {}))
    with Image.open(path) as opened:
        assert opened.n_frames == 3
        assert np.array_equal(load(path), np.full((8, 8, 3), 200))
        assert np.array_equal(load(opened), load(path))


def test_colour_is_in_bgr(tmp_path):
    for suffix in ('png', 'bmp', 'gif'):
        path = str(tmp_path / f'red.{suffix}')
        Image.new('RGB', (3, 3), 'red').save(path)
        assert load(path)[0, 0].tolist() == load(Image.new('RGB', (3, 3), 'red'))[0, 0].tolist() == [0, 0, 255]


def test_a_suffix_says_nothing(tmp_path):
    path = str(tmp_path / 'really_png.jpg')
    Image.fromarray(RGB).save(path, 'PNG')
    assert np.array_equal(load(path), RGB[..., ::-1])


@pytest.mark.parametrize(
    'mode', ['1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBa', 'La', 'RGBX', 'CMYK', 'YCbCr', 'HSV', 'I;16']
)
def test_every_mode_of_pillow_that_has_a_range(mode):
    image = Image.fromarray(GREY.astype(np.uint16)) if mode == 'I;16' else Image.new('L', (5, 4), 90)
    if mode == 'La':
        image = image.convert('LA')
    elif mode in ('RGBa', 'HSV', 'YCbCr'):
        image = image.convert('RGBA' if mode == 'RGBa' else 'RGB')
    image = image.convert(mode) if image.mode != mode else image
    assert load(image).shape == (*image.size[::-1], 3)
