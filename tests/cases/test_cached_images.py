"""Cached grids and features: one bad image does not end a run; a file that claims more than it holds is not believed."""

import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from sacl_mm.datasets import BrokenSampleError, ImageTextDataset
from sacl_mm.datasets.transforms import LoadImageGrid, LoadImageTokens
from sacl_mm.inference import cached_grids
from sacl_mm.registry import TRANSFORMS
from sacl_mm.user_error import UserError


@TRANSFORMS.register_module()
class ImageAsInputs:
    """(3, H, W), as PackInputs makes it."""

    def __call__(self, results: dict) -> dict:
        return dict(inputs=torch.from_numpy(results['img'].transpose(2, 0, 1).copy()), **results)


PIPELINE = [dict(type='sacl_mm.LoadImage'), dict(type='sacl_mm.ImageAsInputs')]
MMCV_PIPELINE = [dict(type='LoadImageFromFile'), dict(type='sacl_mm.ImageAsInputs')]

BAD = {
    'one zero-byte image': lambda path: path.write_bytes(b''),
    'HTML': lambda path: path.write_bytes(b'<html>404</html>'),
    'a truncated one': lambda path: path.write_bytes(path.read_bytes()[:50]),
    'a folder': lambda path: (path.unlink(), path.mkdir()),
    'a FIFO': lambda path: (path.unlink(), os.mkfifo(path)),
    'a link to nothing': lambda path: (path.unlink(), path.symlink_to('/nowhere')),
    'a link to /dev/zero': lambda path: (path.unlink(), path.symlink_to('/dev/zero')),
    'floating point': lambda path: Image.fromarray(np.zeros((4, 4), np.float32)).save(path, 'TIFF'),
}


def images(folder, names) -> list:
    for name in names:
        Image.fromarray(np.full((4, 6, 3), 90, np.uint8)).save(folder / name)
    return [folder / name for name in names]


class Stages(nn.Module):
    """A backbone whose stages are the image, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return (x * self.weight, x)


# ------------------------------------------------------------------------------------------------ the tools
@pytest.mark.parametrize('spoil', BAD.values(), ids=BAD)
def test_in_cache_grids_it_is_named_and_skipped_and_the_rest_kept(spoil, tmp_path):
    paths = images(tmp_path, ['a.png', 'b.png', 'c.png', 'd.png'])
    spoil(paths[1])
    loader = DataLoader(cached_grids.Images(paths, PIPELINE), 2, collate_fn=list)
    preprocess = lambda data, training: dict(inputs=torch.stack(data['inputs']).float())  # noqa: E731
    broken = cached_grids.compute(loader, preprocess, Stages(), torch.float32, tmp_path)
    assert list(broken) == ['b.png']
    assert '\n' not in broken['b.png']
    assert sorted(path.name for path in tmp_path.glob('*.npy')) == ['a.npy', 'c.npy', 'd.npy']


@pytest.mark.parametrize('name', ['one zero-byte image', 'HTML', 'a truncated one', 'a folder'])
def test_in_cache_grids_also_with_mmcvs_loader(name, tmp_path):
    (path,) = images(tmp_path, ['a.png'])
    BAD[name](path)
    found, reason = cached_grids.Images([path], MMCV_PIPELINE)[0]
    assert found == 'a.png'
    assert isinstance(reason, str)


def test_files_that_are_no_images_are_counted_and_named(tmp_path, capsys):
    images(tmp_path, ['a.png', 'b.tiff', 'c.gif', 'd.jfif'])
    for name in ('notes.txt', 'Thumbs.db', 'x\x1b[2J.doc'):
        (tmp_path / name).write_text('')
    assert len(cached_grids.find_images(str(tmp_path))) == 4
    printed = capsys.readouterr().out
    assert '3 entries of' in printed
    assert 'notes.txt' in printed
    assert '\x1b' not in printed


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e6])
def test_grids_that_float16_cannot_hold_are_refused(value, tmp_path):
    loader = DataLoader(cached_grids.Images(images(tmp_path, ['a.png']), PIPELINE), 1, collate_fn=list)
    preprocess = lambda data, training: dict(inputs=torch.stack(data['inputs']).float() * value)  # noqa: E731
    with pytest.raises(UserError, match=r'a\.png: the backbone yields values that float16 cannot hold'):
        cached_grids.compute(loader, preprocess, Stages(), torch.float32, tmp_path)
    assert not list(tmp_path.glob('*.npy'))


class Pairs(ImageTextDataset):
    """Images with two texts each."""

    def __init__(self, paths, **options) -> None:
        self.paths = paths
        super().__init__(test_mode=True, serialize_data=False, **options)

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=str(path), text=['a', 'b'], image_id=n) for n, path in enumerate(self.paths)]

    def _check_images_exist(self, paths) -> None:
        pass  # here one of them becomes broken later


# ------------------------------------------------------------------------------------------------ what is cached
def npy(shape: tuple, content: bytes = b'', dtype: str = '<f2') -> bytes:
    """A file of NumPy whose header claims that shape."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b' ' * (-(len(header) + 11) % 64) + b'\n'
    return b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little') + header + content


BAD_GRIDS = {
    'a shape of 2 TB in 200 bytes': npy((1_000_000, 1_000, 1_000), bytes(100)),
    'a shape beyond 64 bits': npy((1 << 40, 1 << 40, 3), bytes(100)),
    'a shape whose size is 0 in 64 bits': npy((1 << 32, 1 << 32, 1), bytes(100)),
    'a shape whose size is small in 64 bits': npy(((1 << 62) + 1, 4, 1), bytes(100)),
    'a negative shape': npy((-1, 3, 5), bytes(100)),
    'objects, which are code': npy((2, 3, 5), bytes(100), '|O'),
    'no header': b'\x93NUMPY\x01\x00',
    'a header that is no literal': b'\x93NUMPY\x01\x00\x20\x00' + b"__import__('os').abort()        \n",
    'zero bytes': b'',
    'a ZIP archive': b'PK\x03\x04' + bytes(60),
    'a pickle': b'\x80\x04N.',
    'whole numbers': npy((2, 3, 5), bytes(60), '<i2'),
    'text': b'hello',
}


@pytest.mark.parametrize('loader', [LoadImageGrid, LoadImageTokens])
@pytest.mark.filterwarnings('ignore:overflow:RuntimeWarning')
@pytest.mark.parametrize('content', BAD_GRIDS.values(), ids=BAD_GRIDS)
def test_bad_grids_are_one_clear_line(content, loader, tmp_path):
    (tmp_path / 'a.npy').write_bytes(content)
    with pytest.raises(BrokenSampleError, match=r"a\.npy' .*tools/cache_grids\.py") as raised:
        loader(str(tmp_path)).transform(dict(img_path='a.png'))
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    'make', [os.mkfifo, os.mkdir, lambda path: os.symlink('/dev/zero', path)], ids=['FIFO', 'folder', 'device']
)
def test_a_grid_is_a_regular_file(make, tmp_path):
    make(tmp_path / 'a.npy')
    with pytest.raises(BrokenSampleError, match='not a regular file'):
        LoadImageGrid(str(tmp_path)).transform(dict(img_path='a.png'))


def test_a_grid_of_a_gigabyte_is_not_read(tmp_path):
    with (tmp_path / 'a.npy').open('wb') as file:
        file.write(npy((1 << 10, 1 << 10, 1 << 9)))
        file.truncate(1 << 31)  # takes no room on the disk
    with pytest.raises(BrokenSampleError, match='2,147,483,648 bytes are more than'):
        LoadImageGrid(str(tmp_path)).transform(dict(img_path='a.png'))


@pytest.mark.parametrize('name', ['../../etc/a.png', '/etc/a.png', 'http://x/a.png', 's3://b/a.png'])
def test_a_name_never_leads_out_of_the_folder_of_grids(name, tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((2, 3, 5), np.float16))
    assert LoadImageGrid(str(tmp_path)).transform(dict(img_path=name))['img'].shape == (2, 3, 5)


def test_an_image_without_a_grid_is_replaced_in_training(tmp_path):
    paths = images(tmp_path, ['a.png', 'b.png'])
    np.save(tmp_path / 'b.npy', np.zeros((2, 3, 5), np.float16))
    dataset = Pairs(paths, pipeline=[LoadImageGrid(str(tmp_path))])
    dataset.test_mode = False
    assert dataset[0]['img_path'] == str(paths[1])
    assert 'tools/cache_grids.py' in dataset.broken[str(paths[0])]
