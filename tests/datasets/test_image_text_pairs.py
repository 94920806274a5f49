"""ImageTextPairs: grouping, ids, pairs, options."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset
from mmpretrain.datasets.transforms import CleanCaption, PackInputs
from PIL import Image

from sacl_mm.datasets import EpochSampler, ImageTextPairs
from sacl_mm.registry import DATASETS

CAPTIONS = {'a.png': ['a red dog', 'two dogs'], 'b.png': ['a cat!'], 'c.png': ['a bird', 'it flies', 'a bird']}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / 'images').mkdir()
    for name in CAPTIONS:
        Image.fromarray(np.zeros((8, 6, 3), np.uint8)).save(tmp_path / 'images' / name)
    lines = [f'{name}#{k}\t{text}\n' for name, texts in CAPTIONS.items() for k, text in enumerate(texts)]
    (tmp_path / 'tokens.txt').write_text(''.join(lines))
    (tmp_path / 'more.csv').write_text('image,caption\nb.png,asleep\n')
    (tmp_path / 'test.txt').write_text('c.png\na.png\n')
    return tmp_path


def make(root: Path, **options) -> ImageTextPairs:
    options = dict(ann_file='tokens.txt', data_root=str(root), data_prefix=dict(img_path='images')) | options
    return DATASETS.build(dict(type='ImageTextPairs', **options))


@pytest.mark.parametrize('test_mode', [False, True])
def test_per_image(root: Path, test_mode: bool) -> None:
    items = list(make(root, test_mode=test_mode))
    assert [item['text'] for item in items] == list(CAPTIONS.values())
    assert [item['img_path'] for item in items] == [str(root / 'images' / name) for name in CAPTIONS]
    assert len({item['image_id'] for item in items}) == 3
    text_ids = [text_id for item in items for text_id in item['text_ids']]
    assert len(set(text_ids)) == len(text_ids) == 6
    assert all(0 <= number < 2**53 for number in text_ids)
    assert [len(item['text_ids']) for item in items] == [2, 1, 3]


def test_per_pair_has_the_same_ids(root: Path) -> None:
    images, pairs = make(root), make(root, per='pair')
    expected = [
        (item['img_path'], item['image_id'], text, text_id)
        for item in images
        for text, text_id in zip(item['text'], item['text_ids'], strict=True)
    ]
    assert [(p['img_path'], p['image_id'], *p['text'], *p['text_ids']) for p in pairs] == expected
    assert len(pairs) == 6


def test_several_files_are_grouped_by_image(root: Path) -> None:
    dataset = make(root, ann_file=['tokens.txt', 'more.csv'])
    assert [len(item['text']) for item in dataset] == [2, 2, 3]
    assert dataset[1]['text'] == ['a cat!', 'asleep']


def test_ids_agree_between_joined_datasets(root: Path) -> None:
    first, second = make(root), make(root, split_file='test.txt')
    joined = ConcatDataset([first, second])
    assert [joined[n]['image_id'] for n in (2, 0)] == [joined[n]['image_id'] for n in (3, 4)]
    assert joined[0]['image_id'] != joined[1]['image_id']


def test_split_file_and_indices(root: Path) -> None:
    dataset = make(root, split_file='test.txt')
    assert [Path(item['img_path']).name for item in dataset] == ['c.png', 'a.png']
    assert len(make(root, indices=1)) == 1


def test_folder_with_relative_root(root: Path, monkeypatch) -> None:
    for name, texts in CAPTIONS.items():
        (root / 'images' / name).with_suffix('.txt').write_text('\n'.join(texts))
    (root / 'images' / 'b.txt').unlink()
    monkeypatch.chdir(root.parent)
    dataset = make(root, data_root=root.name, ann_file='images', pipeline=[dict(type='LoadImageFromFile')])
    assert [item['text'] for item in dataset] == [CAPTIONS['a.png'], CAPTIONS['c.png']]
    assert dataset[0]['img'].shape == (8, 6, 3)


def test_bad_options(root: Path) -> None:
    with pytest.raises(ValueError, match="per must be 'image' or 'pair'"):
        make(root, per='caption')
    with pytest.raises(ValueError, match="test_mode needs per='image'"):
        make(root, per='pair', test_mode=True)
    with pytest.raises(ValueError, match=r'data_prefix must be dict\(img_path'):
        make(root, data_prefix=dict(img='images'))
    with pytest.raises(FileNotFoundError, match=r'nothing\.txt does not exist'):
        make(root, ann_file='nothing.txt')
    with pytest.raises(FileNotFoundError, match=r'3 of 3 images are missing.*data_prefix'):
        make(root, data_prefix=None)
    (root / 'none.json').write_text('[{"image": "a.png", "caption": []}]')
    with pytest.raises(ValueError, match='no image has a caption'):
        make(root, ann_file='none.json')


def test_whole_pipeline(root: Path) -> None:
    vocab = ['a', 'red', 'dog', 'two', 'dogs', 'cat', 'bird', 'it', 'flies']
    tokenizer = dict(type='WordPieceTokenizer', vocab=vocab)
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='sacl_mm.SampleCaption'),
        CleanCaption(keys='text'),
        dict(type='sacl_mm.TokenizeText', tokenizer=tokenizer),
        PackInputs(algorithm_keys=('token_ids', 'image_id', 'text_ids'), meta_keys=('img_path', 'text')),
    ]
    dataset = make(root, pipeline=pipeline)
    texts = {}
    for epoch in range(12):
        sampler = EpochSampler(dataset, seed=0)
        sampler.set_epoch(epoch)
        for index in sampler:
            packed = dataset[index]
            sample = packed['data_samples']
            assert packed['inputs'].shape == (3, 8, 6)
            assert [len(ids) for ids in sample.token_ids] == [len(sample.text[0].split()) + 2]
            texts.setdefault(int(index), set()).add(sample.text[0])
    assert texts == {0: {'a red dog', 'two dogs'}, 1: {'a cat'}, 2: {'a bird', 'it flies'}}
