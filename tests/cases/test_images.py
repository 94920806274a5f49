"""Images: one rule for pixels, the same from a path, an array and PIL; limits; what is broken is named in one line."""

import io
import os
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from sacl_mm.datasets import BrokenSampleError, LoadImage
from sacl_mm.datasets.transforms.load_image import FORMATS

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


# ------------------------------------------------------------------------------------------------ refused
def png(width: int, height: int, depth: int = 1, colour: int = 0, rows: bytes | None = None) -> bytes:
    """A PNG whose zero pixels cost next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    if rows is None:
        rows = b'\0' * ((width * depth * (3 if colour == 2 else 1) + 7) // 8 + 1) * height
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows, 9)) + chunk(b'IEND', b'')


def jpeg(width: int, height: int) -> bytes:
    """A JPEG with that size in its header."""
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, 'JPEG')
    content = stream.getvalue()
    at = content.index(b'\xff\xc0') + 5
    return content[:at] + struct.pack('>HH', height, width) + content[at + 4 :]


def saved(image: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def webp(bits: bytes) -> bytes:
    """A lossless WebP with these bits, 14 of the width and 14 of the height, in its header."""
    content = saved(Image.fromarray(RGB), 'WEBP', lossless=True)
    at = content.index(b'VP8L') + 9
    return content[:at] + bits + content[at + 4 :]


def tiff(width: int, height: int) -> bytes:
    """A TIFF with that size in its header."""
    content = saved(Image.fromarray(RGB), 'TIFF')
    for tag, old, new in ((256, 30, width), (257, 20, height)):
        for kind in (b'\3\0', b'\4\0'):
            start = struct.pack('<H', tag) + kind + struct.pack('<I', 1)
            content = content.replace(
                start + struct.pack('<I', old), start[:2] + b'\4\0' + start[4:] + struct.pack('<I', new)
            )
    return content


GIF = saved(Image.fromarray(GREY), 'GIF')
TOO_LARGE = {
    'PNG of 16,000 x 16,000': png(16_000, 16_000, 8, 2, b''),
    'PNG of 16,000 x 16,000, one bit': png(16_000, 16_000),
    'PNG of 10,001 x 10,000': png(10_001, 10_000, 8, 2, b''),
    'PNG of 2,000,000,000 x 1': png(2_000_000_000, 1, 8, 2, b''),
    'PNG of the most that a header can say': png((1 << 31) - 1, (1 << 31) - 1, 16, 6, b''),
    'JPEG of 65,000 x 65,000': jpeg(65_000, 65_000),
    'JPEG of 12,000 x 9,000': jpeg(12_000, 9_000),
    'GIF of 60,000 x 60,000': GIF[:6] + struct.pack('<HH', 60_000, 60_000) + GIF[10:],
    'BMP of 50,000 x 50,000': b'BM'
    + struct.pack('<IHHIIiiHHIIiiII', 54, 0, 0, 54, 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0),
    'WebP of 16,384 x 16,384': webp(b'\xff\xff\xff\x0f'),
    'TIFF of 50,000 x 50,000': tiff(50_000, 50_000),
    'TIFF of 50,000 x 2,001': tiff(50_000, 2_001),
    'PPM of 50,000 x 50,000': b'P6 50000 50000 255\n',
}


@pytest.mark.parametrize('content', TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
def test_images_that_are_too_large_are_refused_by_their_header(content, tmp_path, monkeypatch):
    def decode(*arguments):
        raise AssertionError('it was decoded')

    monkeypatch.setattr(cv2, 'imdecode', decode)
    monkeypatch.setattr('sacl_mm.datasets.transforms.load_image.pixels_of', decode)
    path = tmp_path / 'bomb.png'
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises(BrokenSampleError, match=r'bomb\.png: .* pixels') as raised:
        load(str(path))
    assert 'decoded' not in str(raised.value)
    assert time.monotonic() - start < 1


def test_the_limit_on_pixels_is_an_option(tmp_path):
    path = str(tmp_path / 'a.png')
    Image.fromarray(RGB).save(path)
    count = SHAPE[0] * SHAPE[1]
    assert np.array_equal(load(path, max_pixels=count), RGB[..., ::-1])
    for source in (path, Image.fromarray(RGB)):
        with pytest.raises(BrokenSampleError, match=r'30 x 20 pixels are more than max_pixels=599'):
            load(source, max_pixels=count - 1)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match='max_pixels must be at least 1'):
            LoadImage(max_pixels=wrong)


def test_a_file_that_is_larger_than_any_such_image_is_not_read(tmp_path):
    path = tmp_path / 'sparse.jpg'
    with path.open('wb') as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(BrokenSampleError, match=r'sparse\.jpg: 1,099,511,627,776 bytes are too many'):
        load(str(path))


GOOD_JPEG, GOOD_PNG = saved(Image.fromarray(cv2.resize(RGB, (300, 200))), 'JPEG'), saved(Image.fromarray(RGB), 'PNG')
BROKEN = {
    'zero bytes': b'',
    'one byte': b'\xff',
    'HTML named .jpg': b'<!DOCTYPE html><html><head><title>404</title></head></html>',
    'JSON named .jpg': b'{"error": "not found"}',
    'an AWS error': b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    'a pointer of Git LFS': b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n',
    'SVG': b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
    'PDF': b'%PDF-1.4\n%\xe2\xe3\xcf\xd3\n',
    'PostScript, which Pillow would run': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n',
    'a ZIP archive': b'PK\x03\x04' + bytes(100),
    'an array of NumPy': b'\x93NUMPY\x01\x00' + bytes(100),
    'zeros': bytes(5000),
    'random bytes': RNG.bytes(5000),
    'half of a JPEG': GOOD_JPEG[: len(GOOD_JPEG) // 2],
    'a JPEG without its last bytes': GOOD_JPEG[:-20],
    'the header of a JPEG': GOOD_JPEG[:200],
    'half of a PNG': GOOD_PNG[: len(GOOD_PNG) // 2],
    'a PNG without its last bytes': GOOD_PNG[:-30],
    'the header of a PNG': GOOD_PNG[:33],
    'a PNG with a bit flipped': GOOD_PNG[:200] + bytes([GOOD_PNG[200] ^ 1]) + GOOD_PNG[201:],
    'half of a GIF': saved(Image.fromarray(GREY), 'GIF')[:100],
    'half of a WebP': saved(Image.fromarray(RGB), 'WEBP', lossless=True)[:200],
    'half of a TIFF': saved(Image.fromarray(RGB), 'TIFF')[:500],
    'half of a BMP': saved(Image.fromarray(RGB), 'BMP')[:500],
    'half of a CMYK JPEG': saved(Image.fromarray(RGB).convert('CMYK'), 'JPEG')[:700],
    'half of a PNG with transparency': saved(Image.fromarray(np.dstack([RGB, ALPHA])), 'PNG')[:400],
    '32-bit integers': saved(Image.fromarray(GREY.astype(np.int32)), 'TIFF'),
    'floating point': saved(Image.fromarray(GREY.astype(np.float32)), 'TIFF'),
}


@pytest.mark.parametrize('content', BROKEN.values(), ids=BROKEN)
def test_broken_images_are_named_in_one_line(content, tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    with pytest.raises(BrokenSampleError) as raised:
        load(str(path))
    message = str(raised.value)
    assert message.startswith(f'{path}: ')
    assert len(message) > len(f'{path}: ') + 5
    assert '\n' not in message
    assert '0x' not in message  # the address of an object says nothing
    assert raised.value.name == str(path)


REFUSED = {
    'float32': (GREY.astype(np.float32), 'must be uint8, uint16 or bool, got float32'),
    'float64': (RGB / 255, 'got float64'),
    'int64': (RGB.astype(np.int64), 'got int64'),
    'int8': (GREY.astype(np.int8), 'got int8'),
    'objects': (np.array([[None]]), 'got object'),
    'texts': (np.array([['a']]), 'got <U1'),
    'one axis': (GREY[0], r'must be an array .* of shape \(30,\)'),
    'a batch': (RGB[None], r'of shape \(1, 20, 30, 3\)'),
    'channels first': (RGB.transpose(2, 0, 1), r'of shape \(3, 20, 30\)'),
    'two channels': (RGB[..., :2], r'of shape \(20, 30, 2\)'),
    'nothing': (RGB[:0], r'of shape \(0, 30, 3\)'),
    'a number': (np.uint8(3) + np.zeros((), np.uint8), r'must be an array|img_path'),
    'mode I': (Image.fromarray(GREY.astype(np.int32)), 'mode I, 32 bits a pixel without a known range'),
    'mode F': (Image.fromarray(GREY.astype(np.float32)), 'mode F, 32 bits a pixel without a known range'),
    'a PIL image without pixels': (Image.new('RGB', (0, 5)), 'has no pixels'),
}


@pytest.mark.parametrize(('source', 'message'), REFUSED.values(), ids=REFUSED)
def test_what_the_rule_does_not_cover_is_refused_in_one_line(source, message):
    with pytest.raises(BrokenSampleError, match=message) as raised:
        load(np.asarray(source) if isinstance(source, np.generic) else source)
    assert '\n' not in str(raised.value)


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


def test_a_file_that_is_closed_is_one_line(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(RGB).save(path)
    image = Image.open(path)
    image.close()
    with pytest.raises(BrokenSampleError, match=r'a\.png: '):
        load(image)


def test_formats_are_rasters_only():
    assert {'JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF'} <= set(FORMATS)
    assert not {'EPS', 'WMF', 'PSD', 'FITS'} & set(FORMATS)


UNSAFE = {
    'an escape sequence': 'a\x1b[31m.jpg',
    'a newline': 'a\nb.jpg',
    'a carriage return': 'a\rb.jpg',
    'a right-to-left override': 'a\u202egpj.exe',
    'a lone surrogate': 'a\udcff.jpg',
}


@pytest.mark.parametrize('content', [b'', b'<html>'], ids=['empty', 'HTML'])
@pytest.mark.parametrize('name', UNSAFE.values(), ids=UNSAFE)
def test_names_are_escaped(name, content, tmp_path):
    path = os.path.join(tmp_path, name)
    with open(path, 'wb') as file:
        file.write(content)
    with pytest.raises(BrokenSampleError) as raised:
        load(path)
    assert str(raised.value).isprintable()


# ------------------------------------------------------------------------------------------------ damaged at random
FUZZED = {
    'JPEG': GOOD_JPEG,
    'CMYK JPEG': saved(Image.fromarray(RGB).convert('CMYK'), 'JPEG'),
    'PNG': GOOD_PNG,
    'PNG with transparency': saved(Image.fromarray(np.dstack([RGB, ALPHA])), 'PNG'),
    'GIF': saved(Image.fromarray(GREY), 'GIF'),
    'WebP': saved(Image.fromarray(RGB), 'WEBP'),
    'TIFF': saved(Image.fromarray(RGB), 'TIFF'),
    'BMP': saved(Image.fromarray(RGB), 'BMP'),
    'JPEG 2000': saved(Image.fromarray(RGB), 'JPEG2000'),
    'EXIF': saved(Image.fromarray(RGB), 'JPEG', exif=b'Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0'),
}


@pytest.mark.parametrize('content', FUZZED.values(), ids=FUZZED)
@pytest.mark.filterwarnings('ignore')
def test_damage_at_random_gives_an_image_or_one_line(content, tmp_path):
    rng = np.random.default_rng(len(content))
    path, said = tmp_path / 'a.jpg', []
    for _ in range(40):
        damaged = bytearray(content)
        for at in rng.integers(0, min(len(damaged), 400), 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(damaged) + 1)] if rng.random() < 0.3 else damaged)
        try:
            image = load(str(path), max_pixels=1_000_000)
        except BrokenSampleError as error:
            said.append(str(error))
        else:
            assert image.ndim == 3
    assert all(line.startswith(f'{path}: ') and line.isprintable() for line in said)


# ------------------------------------------------------------------------------------------------ addresses
def test_addresses_are_read_by_mmengines_backends(monkeypatch):
    asked = []

    def get(path: str, backend_args: dict | None = None) -> bytes:
        asked.append((path, backend_args))
        return GOOD_PNG

    monkeypatch.setattr('sacl_mm.datasets.transforms.load_image.fileio.get', get)
    assert np.array_equal(load('s3://bucket/a.png'), RGB[..., ::-1])
    assert np.array_equal(load('mapped/a.png', backend_args=dict(backend='petrel')), RGB[..., ::-1])
    assert asked == [('s3://bucket/a.png', None), ('mapped/a.png', dict(backend='petrel'))]


@pytest.mark.parametrize('path', ['nonsense://a.png', '://a.png', 'a://b://c.png', 'a:b:c://d.png'])
def test_addresses_of_unknown_kinds_are_one_line(path):
    with pytest.raises(BrokenSampleError) as raised:
        load(path)
    assert str(raised.value).startswith(f'{path}: ')
    assert '\n' not in str(raised.value)
