"""What the inferencer is given: galleries with NaN, arrays as features, images of any kind, strange names."""

import os

import numpy as np
import pytest
import torch
from inferencers import FILES, arrays, load, saved, write
from mmengine.config import Config
from PIL import Image
from tiny import PIPELINE

from sacl_mm.inference import ImageTextInferencer
from sacl_mm.user_error import NonFiniteError

RNG = np.random.default_rng(0)


@pytest.fixture(scope='module')
def inferencer(tmp_path_factory) -> ImageTextInferencer:
    return load(tmp_path_factory.mktemp('model'), 'ImageTextRetrieval')[0]


@pytest.fixture(scope='module')
def gallery(inferencer) -> torch.Tensor:
    return inferencer.embed_images(arrays())


TEXTS = ['a red star', 'two blue circles']


# ------------------------------------------------------------------------------------------------ features
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('form', [torch.as_tensor, np.asarray], ids=['tensor', 'array'])
@pytest.mark.parametrize('rerank', [False, True])
def test_one_nan_row_in_a_gallery_given_to_search(inferencer, gallery, value, form, rerank):
    features = gallery.clone()
    features[3, 5] = value
    with pytest.raises(NonFiniteError, match=r'features of the gallery: 1 of 6 rows are not finite .*first \[3\]'):
        inferencer.search(TEXTS, arrays(), features=form(features), rerank=rerank)


def test_one_nan_row_in_a_gallery_given_to_search_texts(inferencer):
    features = inferencer.embed_texts(TEXTS)
    features[1] = np.nan
    with pytest.raises(NonFiniteError, match=r'1 of 2 rows .*first \[1\]'):
        inferencer.search_texts(arrays(), TEXTS, features=features)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_a_numpy_array_of_features(inferencer, gallery, dtype):
    expected = inferencer.search(TEXTS, arrays(), features=gallery, rerank=False, k=6)
    found = inferencer.search(TEXTS, arrays(), features=gallery.numpy().astype(dtype), rerank=False, k=6)
    for some, others in zip(found, expected, strict=True):
        np.testing.assert_allclose([hit.score for hit in some], [hit.score for hit in others], atol=2e-3)
        if dtype != np.float16:
            assert some == others


@pytest.mark.parametrize('scale', [0.01, 3, 100])
def test_features_that_are_not_of_unit_length_give_cosines(inferencer, gallery, scale):
    scales = torch.linspace(scale, 2 * scale, len(gallery))[:, None]
    (expected,) = inferencer.search(TEXTS[:1], arrays(), features=gallery, rerank=False, k=6)
    (found,) = inferencer.search(TEXTS[:1], arrays(), features=gallery * scales, rerank=False, k=6)
    assert [hit.index for hit in found] == [hit.index for hit in expected]
    np.testing.assert_allclose([hit.score for hit in found], [hit.score for hit in expected], atol=1e-5)


BAD_FEATURES = {
    'a list': (lambda f: f.tolist(), 'must be a tensor or an array, got a list'),
    'a text': (lambda f: 'features.pt', 'got a str'),
    'a dict': (lambda f: dict(image_features=f), 'got a dict'),
    'of objects': (lambda f: f.numpy().astype(object), 'must be numbers, got object'),
    'of texts': (lambda f: f.numpy().astype(str), 'must be numbers, got <U'),
    'complex': (lambda f: f.numpy().astype(complex), 'must be numbers, got complex128'),
    'one row too few': (lambda f: f[1:], r'of shape \(6, 16\), got \(5, 16\)'),
    'transposed': (lambda f: f.t(), r'of shape \(6, 16\), got \(16, 6\)'),
    'one row': (lambda f: f[0].numpy(), r'of shape \(6, 16\), got \(16,\)'),
}


@pytest.mark.parametrize(('spoil', 'message'), BAD_FEATURES.values(), ids=BAD_FEATURES)
def test_bad_features_are_one_clear_line(inferencer, gallery, spoil, message):
    with pytest.raises(ValueError, match=message) as raised:
        inferencer.search(TEXTS, arrays(), features=spoil(gallery))
    assert '\n' not in str(raised.value)


def test_a_model_whose_features_are_nan_finds_nothing(tmp_path):
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder')
    broken = ImageTextInferencer(config, checkpoint, 'cpu')
    with torch.no_grad():  # a checkpoint of such weights is refused
        for weight in broken.model.parameters():
            weight.fill_(np.nan)
    with pytest.raises(NonFiniteError, match='features of images: 6 of 6 rows'):
        broken.search(TEXTS, arrays())
    with pytest.raises(NonFiniteError, match='features of texts: 2 of 2 rows'):
        broken.embed_texts(TEXTS)


# ------------------------------------------------------------------------------------------------ images
GREY = RNG.integers(0, 256, (32, 32), np.uint8)
ALIKE = {
    'PNG with transparency': np.dstack([np.zeros((32, 32, 3), np.uint8), GREY]),
    '16-bit grey': RNG.integers(0, 1 << 16, (32, 32), np.uint16),
    'grey': GREY,
    '1 bit': GREY > 99,
}


@pytest.mark.parametrize('array', ALIKE.values(), ids=ALIKE)
def test_path_array_and_pil_have_the_same_features(inferencer, array, tmp_path):
    pil = Image.fromarray(array)
    pil.save(tmp_path / 'a.png')
    features = inferencer.embed_images([str(tmp_path / 'a.png'), array, pil, Image.open(tmp_path / 'a.png')])
    for row in features[1:]:
        torch.testing.assert_close(row, features[0])
    black = inferencer.embed_images([np.zeros((32, 32, 3), np.uint8)])
    assert not torch.allclose(features[:1], black)


BAD_IMAGES = {
    'float array': (np.zeros((8, 8, 3)), r'images\[1\] must be uint8, uint16 or bool, got float64'),
    'int array': (np.zeros((8, 8, 3), int), r'images\[1\] must be uint8.* got int64'),
    'a batch': (np.zeros((1, 8, 8, 3), np.uint8), r'images\[1\] must be an array'),
    'channels first': (np.zeros((3, 8, 8), np.uint8), r'images\[1\] must be an array .* \(3, 8, 8\)'),
    'no pixels': (np.zeros((0, 8, 3), np.uint8), r'images\[1\] must be an array'),
    'mode F': (Image.new('F', (8, 8)), r'images\[1\] is of mode F'),
    'mode I': (Image.new('I', (8, 8)), r'images\[1\] is of mode I'),
    'a tensor': (torch.zeros(3, 8, 8), r'images\[1\] must be a path, .* got Tensor'),
    'bytes': (b'a.png', r'images\[1\] must be a path, .* got bytes'),
    'a list': ([GREY], r'images\[1\] must be a path, .* got list'),
    'a folder': ('/tmp', r"images\[1\] '/tmp' cannot be read: not a regular file but a folder"),
    '/dev/zero': ('/dev/zero', r'images\[1\] .* not a regular file but a device'),
    'a NUL byte': ('a\0.png', r"images\[1\] 'a\\x00.png' cannot be read: embedded null byte"),
    'a lone surrogate': ('a\ud800.png', r"images\[1\] 'a\\ud800.png' cannot be read"),
    'too large': (Image.new('1', (20_000, 20_000)), r'20,000 x 20,000 pixels are more than max_pixels'),
}


@pytest.mark.parametrize(('image', 'message'), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images_are_one_clear_line(inferencer, image, message):
    with pytest.raises(ValueError, match=message) as raised:
        inferencer.embed_images([GREY, image])
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('name', ['no\x1b[2J.png', 'no\n.png', 'no\u202e.png'])
def test_names_of_missing_images_are_escaped(inferencer, name):
    with pytest.raises(FileNotFoundError) as raised:
        inferencer.embed_images([name])
    assert str(raised.value).isprintable()


def test_a_pipe_is_not_waited_for(inferencer, tmp_path):
    os.mkfifo(tmp_path / 'a.png')
    with pytest.raises(ValueError, match='not a regular file but a pipe'):
        inferencer.embed_images([tmp_path / 'a.png'])


# ------------------------------------------------------------------------------------------------ pipelines
@pytest.mark.parametrize(
    'loader',
    [
        dict(type='LoadImageFromFile', imdecode_backend='pillow'),
        dict(type='LoadImageFromFile', to_float32=False, color_type='color'),
        dict(type='mmpretrain.LoadImageFromFile'),
        dict(type='LoadImage'),
        dict(type='sacl_mm.LoadImage', max_pixels=2000),
    ],
    ids=str,
)
def test_both_loaders_are_used_by_the_same_rule(loader, tmp_path):
    dataset = dict(type='ImageTextPairs', ann_file='x.json', pipeline=[loader, *FILES[1:], *PIPELINE])
    inferencer, _ = load(tmp_path, 'DualEncoder', dataset=dataset)
    (path,) = write(tmp_path, arrays()[:1])
    features = inferencer.embed_images([path, arrays()[0], Image.open(path)])
    assert torch.equal(features[0], features[1])
    assert torch.equal(features[0], features[2])
    if 'max_pixels' in loader:
        with pytest.raises(ValueError, match='50 x 50 pixels are more than max_pixels=2,000'):
            inferencer.embed_images([np.zeros((50, 50, 3), np.uint8), Image.new('RGB', (50, 50))])


@pytest.mark.parametrize('options', [dict(color_type='grayscale'), dict(to_float32=True), dict(color_type='unchanged')])
def test_a_loader_that_makes_other_pixels_is_refused(options, tmp_path):
    dataset = dict(
        type='ImageTextPairs', ann_file='x.json', pipeline=[dict(FILES[0], **options), *FILES[1:], *PIPELINE]
    )
    config, checkpoint, _ = saved(tmp_path, 'DualEncoder', dataset=dataset)
    with pytest.raises(ValueError, match=f'LoadImageFromFile with {next(iter(options))}'):
        ImageTextInferencer(Config.fromfile(config), checkpoint, 'cpu')
