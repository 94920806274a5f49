"""Determinism and broken samples."""

import logging
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine.dataset import ConcatDataset, RepeatDataset
from PIL import Image
from torch.utils.data import DataLoader

import sacl_mm.datasets.image_text_dataset as module
from sacl_mm.datasets import BrokenSampleError, EpochSampler, ImageTextDataset, SampleIndex

LOAD = dict(type='LoadImageFromFile')


class Listed(ImageTextDataset):
    """Items given in memory."""

    def __init__(self, items: list[dict], **options) -> None:
        self.items = items
        super().__init__(**options)

    def load_data_list(self) -> list[dict]:
        return [dict(item) for item in self.items]


class Draw(BaseTransform):
    """Adds a number from each of the three generators."""

    def transform(self, results: dict) -> dict:
        numbers = [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002
        return dict(sample_idx=results['sample_idx'], numbers=torch.tensor(numbers, dtype=torch.float64))


class Nested(BaseTransform):
    """Runs another transform, as mmpretrain's ApplyToList does."""

    def __init__(self, inner: BaseTransform) -> None:
        self.inner = inner

    def transform(self, results: dict) -> dict:
        return self.inner(results)


class Bug(BaseTransform):
    """A transform with a programmer's error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def transform(self, results: dict) -> dict:
        raise self.error


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    lines = []

    def record(message: str, logger: str, level: int) -> None:
        assert level == logging.WARNING
        lines.append(message)

    monkeypatch.setattr(module, 'print_log', record)
    return lines


def write_image(path: Path, mode: str = 'RGB') -> str:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    if mode == 'I;16':
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 256).save(path)
    else:
        Image.fromarray(pixels).convert(mode).save(path)
    return str(path)


def items_of(paths: list[str]) -> list[dict]:
    return [dict(img_path=path, text=[f'image {n}'], image_id=n, text_ids=[n]) for n, path in enumerate(paths)]


def make(tmp_path: Path, count: int = 4, broken: tuple[int, ...] = (), **options) -> Listed:
    paths = [write_image(tmp_path / f'{n}.png') for n in range(count)]
    for n in broken:
        Path(paths[n]).write_bytes(b'<html>404</html>')
    return Listed(items_of(paths), pipeline=options.pop('pipeline', [LOAD]), **options)


def numbers_of(loader: DataLoader) -> dict[int, list[float]]:
    return {
        int(index): row
        for batch in loader
        for index, row in zip(batch['sample_idx'], batch['numbers'].tolist(), strict=True)
    }


@pytest.mark.parametrize('context', [None, 'fork', 'spawn'])
def test_a_sample_does_not_depend_on_workers_and_ranks(context: str | None, monkeypatch) -> None:
    dataset = Listed([{} for _ in range(12)], pipeline=[Draw()])
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (0, 1))
    expected = {n: dataset[SampleIndex(n, epoch=2, seed=9)]['numbers'].tolist() for n in range(12)}
    found = {}
    ranks = 1 if context == 'spawn' else 2  # a spawned worker takes seconds to start
    for rank in range(ranks):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, ranks))
        sampler = EpochSampler(dataset, seed=9)
        sampler.set_epoch(2)
        workers = dict(num_workers=2, multiprocessing_context=context) if context else {}
        found |= numbers_of(DataLoader(dataset, batch_size=3, sampler=sampler, **workers))
    assert found == expected
    assert len({tuple(row) for row in found.values()}) == 12


def test_joined_and_repeated_datasets_stay_deterministic() -> None:
    parts = [Listed([{} for _ in range(3)], pipeline=[Draw()]) for _ in range(2)]
    for dataset in (ConcatDataset(parts), RepeatDataset(parts[0], times=2)):
        index = SampleIndex(4, epoch=0, seed=0)
        random.seed(0)
        first = dataset[index]['numbers'].tolist()
        assert dataset[index]['numbers'].tolist() == first
        assert dataset[SampleIndex(1, epoch=0, seed=0)]['numbers'].tolist() != first


def test_plain_index_uses_the_running_generators() -> None:
    dataset = Listed([{}], pipeline=[Draw()])
    assert dataset[0]['numbers'].tolist() != dataset[0]['numbers'].tolist()


def corrupt(path: Path, kind: str) -> None:
    content = path.read_bytes()
    path.write_bytes({'zero bytes': b'', 'no image': b'<html>', 'truncated': content[: len(content) // 2]}[kind])


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize('kind', ['zero bytes', 'no image', 'truncated'])
@pytest.mark.parametrize('load', [LOAD, dict(LOAD, ignore_empty=True), dict(LOAD, imdecode_backend='pillow')])
def test_broken_image_is_replaced_named_and_counted(
    suffix: str, kind: str, load: dict, tmp_path: Path, warnings: list[str]
) -> None:
    paths = [write_image(tmp_path / f'{n}.{suffix}') for n in range(3)]
    corrupt(Path(paths[1]), kind)
    dataset = Listed(items_of(paths), pipeline=[load])
    assert [dataset[n]['image_id'] for n in (0, 1, 2, 1)] == [0, 2, 2, 2]
    assert len(warnings) == len(dataset.broken) == 1
    assert paths[1] in warnings[0]


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK', 'RGBA', 'LA', 'P', '1', 'I;16'])
def test_every_mode_becomes_three_channels_of_bytes(mode: str, tmp_path: Path) -> None:
    path = write_image(tmp_path / ('a.jpg' if mode == 'CMYK' else 'a.png'), mode)
    image = Listed(items_of([path]), pipeline=[LOAD])[0]['img']
    assert (image.shape, image.dtype) == ((24, 32, 3), np.uint8)
    reference = np.array(Image.open(write_image(tmp_path / 'b.png')))[..., ::-1].astype(int)  # RGB to BGR
    if mode in ('RGB', 'RGBA', 'CMYK'):
        assert np.abs(image - reference).mean() < (1 if mode != 'CMYK' else 40)
    if mode == 'I;16':
        assert np.abs(image - reference[..., 2:]).max() <= 1


def test_replacements_wrap_around_and_skip_several(tmp_path: Path, warnings: list[str]) -> None:
    dataset = make(tmp_path, broken=(2, 3))
    assert [dataset[n]['image_id'] for n in range(4)] == [0, 1, 0, 0]
    assert len(dataset.broken) == 2


def test_a_replacement_is_deterministic_too(tmp_path: Path, warnings: list[str]) -> None:
    dataset = make(tmp_path, broken=(1,), pipeline=[LOAD, Draw()])
    first, second = (dataset[SampleIndex(1, 0, 0)] for _ in range(2))
    assert first['sample_idx'] == second['sample_idx'] == 2
    assert first['numbers'].tolist() == second['numbers'].tolist()
    assert first['numbers'].tolist() != dataset[SampleIndex(2, 0, 0)]['numbers'].tolist()


def test_nothing_readable_is_one_clear_error(tmp_path: Path, warnings: list[str]) -> None:
    dataset = make(tmp_path, broken=(0, 1, 2, 3))
    with pytest.raises(BrokenSampleError, match=r'among the 4 from index 2 on; the first: .*2\.png.*data_prefix'):
        dataset[2]


def test_max_refetch_bounds_the_search(tmp_path: Path, warnings: list[str]) -> None:
    with pytest.raises(BrokenSampleError, match='among the 2 '):
        make(tmp_path, broken=(0, 1), max_refetch=1)[0]
    assert make(tmp_path, broken=(0,), max_refetch=1)[0]['image_id'] == 1


def test_loader_inside_another_transform(tmp_path: Path, warnings: list[str]) -> None:
    assert make(tmp_path, broken=(0,), pipeline=[Nested(LoadImageFromFile())])[0]['image_id'] == 1


@pytest.mark.parametrize('error', [TypeError('bug'), ValueError('bug'), OSError('bug'), AssertionError('bug')])
def test_bugs_of_other_transforms_pass(error: Exception, tmp_path: Path, warnings: list[str]) -> None:
    dataset = make(tmp_path, pipeline=[LOAD, Bug(error)])
    with pytest.raises(type(error), match='bug') as raised:
        dataset[0]
    assert raised.value is error
    assert not dataset.broken
    assert not warnings


def test_the_loaders_own_bugs_pass(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match='img_path'):
        Listed([{}], pipeline=[LOAD])[0]


def test_test_mode_raises_instead_of_replacing(tmp_path: Path) -> None:
    dataset = make(tmp_path, broken=(1,), test_mode=True)
    assert dataset[0]['image_id'] == 0
    with pytest.raises(BrokenSampleError, match=r'1\.png.*benchmark'):
        dataset[1]


def test_error_reaches_the_main_process(tmp_path: Path) -> None:
    batches = iter(DataLoader(make(tmp_path, count=2, broken=(1,), test_mode=True), num_workers=1, batch_size=None))
    next(batches)
    with pytest.raises(BrokenSampleError, match=r'1\.png'):
        next(batches)
    assert next(batches, None) is None  # ends the worker


def test_missing_files(tmp_path: Path, warnings: list[str]) -> None:
    paths = [
        write_image(tmp_path / '0.png'),
        str(tmp_path / '1.png'),
        str(tmp_path / 'no' / '2.png'),
        's3://bucket/3.png',
    ]
    dataset = Listed(items_of([*paths, paths[1]]), pipeline=[LOAD])
    assert dataset._missing(dataset._image_paths()) == paths[1:3]
    assert len(warnings) == 1
    assert warnings[0].startswith(f'2 of 3 images are missing: {paths[1]}, {paths[2]}. ')
    with pytest.raises(FileNotFoundError, match=r'2 of 3 images are missing.*benchmark'):
        Listed(items_of(paths), pipeline=[LOAD], test_mode=True)


@pytest.mark.parametrize('test_mode', [False, True])
def test_all_missing_says_how_to_mend_it(tmp_path: Path, test_mode: bool) -> None:
    with pytest.raises(FileNotFoundError, match=r'5 of 5 images are missing: .*0\.png, .*, \.\.\.\. Set data_prefix'):
        Listed(items_of([str(tmp_path / f'{n}.png') for n in range(5)]), test_mode=test_mode)


def test_captions_without_words(tmp_path: Path, warnings: list[str]) -> None:
    items = items_of([write_image(tmp_path / f'{n}.png') for n in range(3)])
    items[0].update(text=['', 'a dog', ' \t', '...', 'été'], text_ids=[10, 11, 12, 13, 14])
    items[1].update(text=['.'])
    dataset = Listed(items)
    assert (dataset[0]['text'], dataset[0]['text_ids']) == (['a dog', 'été'], [11, 14])
    assert dataset[1]['image_id'] == 2
    assert len(dataset.broken) == len(warnings) == 2
    assert '0.png: 3 of 5' in warnings[0]
    assert '1.png: no caption' in warnings[1]
    test = Listed(items, test_mode=True)
    assert test[0]['text'] == items[0]['text']
    assert '0.png' in warnings[2]


def test_warnings_stop_and_counts_continue(tmp_path: Path, warnings: list[str]) -> None:
    dataset = Listed([dict(text=['']) for _ in range(85)] + [dict(text=['a word'])])
    dataset[0]
    assert len(dataset.broken) == 85
    assert [line.split()[0] for line in warnings] == ['broken'] * 20 + ['20', '40', '80']


def test_lazy_and_unserialized(tmp_path: Path, warnings: list[str]) -> None:
    for options in (dict(lazy_init=True), dict(serialize_data=False), dict(indices=3)):
        dataset = make(tmp_path, broken=(1,), **options)
        assert dataset[1]['image_id'] == 2
        subset = dataset.get_subset([1, 0])
        assert subset[0]['image_id'] == 0
