"""Images that are refused: too large, broken, of a kind that no rule covers; each is named in one line."""

import io
import os
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from image_examples import ALPHA, GREY, RGB, RNG, SHAPE, load, saved
from PIL import Image

from sacl_mm.datasets import BrokenSampleError, LoadImage
from sacl_mm.datasets.transforms.load_image import FORMATS


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
