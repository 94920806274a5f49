"""LoadImageGrid and LoadImageTokens: by themselves, and from a caption file to the tensors that a model takes."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from sacl_mm.compatibility import load_mmpretrain
from sacl_mm.registry import DATASETS, MODELS, TRANSFORMS
from sacl_mm.user_error import BrokenSampleError

FLIP = dict(type='mmpretrain.RandomFlip', prob=1.0, direction='horizontal')


@pytest.fixture
def grids(tmp_path):
    """Two images and their grids of 2 x 3 places and 5 channels."""
    load_mmpretrain()
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(2, 3, 5)).astype(np.float16) for name in ('1', 'b.c')}
    for name, array in arrays.items():
        np.save(tmp_path / f'{name}.npy', array)
        cv2.imwrite(str(tmp_path / f'{name}.jpg'), np.zeros((8, 8, 3), np.uint8))
    return tmp_path, arrays


def load(root, image, **options):
    return TRANSFORMS.build(dict(type='LoadImageGrid', root=str(root), **options)).transform(dict(img_path=str(image)))


def test_the_grid_of_an_image(grids):
    root, arrays = grids
    for name, array in arrays.items():
        results = load(root, f'somewhere/else/{name}.jpg')
        assert results['img'].dtype == np.float16
        np.testing.assert_array_equal(results['img'], array)
        assert results['img_shape'] == results['ori_shape'] == (2, 3)


def test_a_coarser_grid(grids):
    root, arrays = grids
    with torch.autocast('cpu', torch.bfloat16):  # as in an evaluation in mixed precision
        cells = load(root, 'b.c.jpg', size=(1, 2))['img']
    finer = arrays['b.c'].astype(np.float32)
    expected = np.stack([finer[:, :2].mean((0, 1)), finer[:, 1:].mean((0, 1))])[None]
    assert cells.dtype == np.float16
    np.testing.assert_allclose(cells, expected, atol=2e-3)


def test_a_grid_is_never_made_finer(grids):
    root, _ = grids
    with pytest.raises(ValueError, match=r'2 x 3 cells, fewer than size=\(3, 3\)'):
        load(root, '1.jpg', size=(3, 3))


def batch(root, kind):
    """The images of two captions, as a model takes them, flipped."""
    (root / 'captions.txt').write_text('1.jpg#0\ta dog\nb.c.jpg#0\ta cat\n')
    config = dict(
        type='ImageTextPairs',
        ann_file=str(root / 'captions.txt'),
        data_prefix=dict(img_path=str(root)),
        test_mode=True,
        pipeline=[
            dict(type=kind, root=str(root)),
            *([FLIP] if kind == 'LoadImageGrid' else []),
            dict(type='TokenizeText', tokenizer=dict(type='WordPieceTokenizer', vocab=['a', 'dog', 'cat'])),
            dict(type='mmpretrain.PackInputs', algorithm_keys=['token_ids', 'image_id', 'text_ids']),
        ],
    )
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        dataset = DATASETS.build(config)
    preprocessor = MODELS.build(dict(type='ImageTextPreprocessor', vocab_size=10))
    return preprocessor(pseudo_collate([dataset[0], dataset[1]]))['images']


def test_from_a_caption_file_to_a_batch(grids):
    root, arrays = grids
    images = batch(root, 'LoadImageGrid')
    assert images.dtype == torch.float32
    expected = np.stack([arrays['1'], arrays['b.c']])[:, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    np.testing.assert_array_equal(images.numpy(), expected)


def test_tokens_from_a_caption_file_to_a_batch(grids):
    root, arrays = grids
    tokens = {name: array.reshape(6, 5) for name, array in arrays.items()}
    for name, array in tokens.items():
        np.save(root / f'{name}.npy', array)
    images = batch(root, 'LoadImageTokens')
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(images.numpy(), np.stack([tokens['1'], tokens['b.c']]).astype(np.float32))


def test_tokens_are_not_flipped(grids):
    root, _ = grids
    np.save(root / '1.npy', np.zeros((6, 5), np.float16))
    results = TRANSFORMS.build(dict(type='LoadImageTokens', root=str(root))).transform(dict(img_path='1.jpg'))
    with pytest.raises(ValueError, match='step'):
        TRANSFORMS.build(FLIP)(results)


def test_tokens_and_grids_are_told_apart(grids):
    root, _ = grids
    tokens = TRANSFORMS.build(dict(type='LoadImageTokens', root=str(root)))
    with pytest.raises(ValueError, match=r'1\.npy\' holds float16 of shape \(2, 3, 5\), not tokens \(N, C\).*anew'):
        tokens.transform(dict(img_path='1.jpg'))
    with pytest.raises(BrokenSampleError, match=r"2\.npy' for the image '2\.jpg'.*tools/cache_grids\.py"):
        tokens.transform(dict(img_path='2.jpg'))


def test_a_missing_grid_names_the_file_and_the_tool(grids):
    root, _ = grids
    with pytest.raises(BrokenSampleError, match=r"2\.npy' for the image 'x/2\.jpg'.*tools/cache_grids\.py"):
        load(root, 'x/2.jpg')


@pytest.mark.parametrize('content', [b'', b'no array', 'half'], ids=['empty', 'text', 'half'])
def test_a_damaged_grid_names_the_file_and_the_tool(grids, content):
    root, _ = grids
    path = root / '1.npy'
    path.write_bytes(path.read_bytes()[:-7] if content == 'half' else content)
    with pytest.raises(ValueError, match=r"1\.npy' cannot be read.*delete it.*tools/cache_grids\.py"):
        load(root, '1.jpg')


@pytest.mark.parametrize('array', [np.zeros((2, 3)), np.zeros((2, 3, 5), np.uint8)], ids=['flat', 'whole numbers'])
def test_another_array_is_no_grid(grids, array):
    root, _ = grids
    np.save(root / '1.npy', array)
    with pytest.raises(ValueError, match=r"1\.npy' holds .*not a grid.*tools/cache_grids\.py"):
        load(root, '1.jpg')
