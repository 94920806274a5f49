"""Cached grids and features: one bad image does not end a run; a file that claims more than it holds is not believed."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from sacl_mm.datasets import BrokenSampleError, CachedFeatures, ImageTextDataset
from sacl_mm.datasets.transforms import LoadImage, LoadImageGrid, LoadImageTokens
from sacl_mm.inference import cached_features, cached_grids
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


class Packed(LoadImage):
    def transform(self, results: dict) -> dict:
        loaded = super().transform(results)
        sample = BaseDataElement(metainfo=dict(img_path=loaded['img_path'], text=loaded['text']))
        return dict(inputs=torch.from_numpy(loaded['img'].transpose(2, 0, 1).copy()), data_samples=sample)


def preprocess(data: dict, training: bool) -> dict:
    count = len(data['inputs'])
    return dict(
        images=torch.stack(data['inputs']).float(),
        token_ids=torch.ones(2 * count, 3, dtype=torch.long),
        text_mask=torch.ones(2 * count, 3, dtype=torch.bool),
        image_ids=torch.arange(count),
        text_ids=torch.arange(2 * count),
        texts_per_image=[2] * count,
        data_samples=data['data_samples'],
    )


def features_of(paths) -> dict:
    dataset = cached_features.Readable(Pairs(paths, pipeline=[Packed()]))
    loader = DataLoader(dataset, 2, collate_fn=list)
    encode = lambda tokens, mask: tokens[..., None].float() + torch.arange(4)  # noqa: E731
    return cached_features.compute(loader, preprocess, Stages(), encode, torch.float32, 'train [red]')


@pytest.mark.parametrize('spoil', BAD.values(), ids=BAD)
def test_in_cache_features_it_is_named_and_skipped_and_the_rest_kept(spoil, tmp_path):
    paths = images(tmp_path, ['a.png', 'b.png', 'c.png'])
    spoil(paths[1])
    features = features_of(paths)
    assert (len(features['image_features']), len(features['text_features'])) == (2, 4)
    assert features['img_paths'] == [str(paths[0]), str(paths[2])]
    (reason,) = features['broken']
    assert reason.startswith(f'{paths[1]}: ')
    assert 'benchmark' not in reason


def test_nothing_but_bad_images_is_an_error(tmp_path):
    paths = images(tmp_path, ['a.png', 'b.png'])
    for path in paths:
        path.write_bytes(b'')
    with pytest.raises(UserError, match=r'no image can be read, the first: .*a\.png: the file is empty'):
        features_of(paths)


def test_features_without_some_images_say_so_each_time(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr('sacl_mm.datasets.cached_features.print_log', lambda text, **options: lines.append(text))
    for spoilt in (False, True):
        paths = images(tmp_path, ['a.png', 'b\x1b[2J.png'])
        if spoilt:
            paths[1].write_bytes(b'')
        torch.save(features_of(paths), tmp_path / 'train.pt')
        assert len(CachedFeatures(str(tmp_path / 'train.pt'))) == 2 - spoilt
    (line,) = lines
    assert 'lacks 1 images that could not be read' in line
    assert line.isprintable()


def test_an_image_that_is_missing_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    (tmp_path / 'config.py').write_text(
        'image_encoder = text_encoder = data_preprocessor = dict()\ndatasets = dict(a=1, b=2)\n'
    )
    order = []

    def build(config):
        order.append(config)
        if config == 2:
            raise FileNotFoundError('1 of 2 images are missing: x.png')
        return []

    model = SimpleNamespace(init_weights=lambda: None, to=lambda *a, **o: model, eval=lambda: model)
    monkeypatch.setattr(cached_features, 'MODELS', SimpleNamespace(build=lambda config: model))
    monkeypatch.setattr(cached_features, 'DATASETS', SimpleNamespace(build=build))
    monkeypatch.setattr(cached_features, 'check_pretrained_parts', lambda encoder: None)
    monkeypatch.setattr(cached_features, 'compute', lambda *arguments: pytest.fail('computed'))
    given = dict(config=f'{tmp_path}/config.py', out_dir=f'{tmp_path}/out', batch_size=1, num_workers=0, fp32=True)
    with pytest.raises(FileNotFoundError, match=r'x\.png'):
        cached_features.cache_features(SimpleNamespace(**given))
    assert order == [1, 2]


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
