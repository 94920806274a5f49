"""NLVR2Pairs: both file formats, names, identifiers, broken images."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sacl_mm.datasets.image_text_dataset as base
from sacl_mm.datasets import BrokenSampleError, EpochSampler, NLVR2Pairs, SampleIndex
from sacl_mm.datasets.nlvr2_files import read_pairs
from sacl_mm.registry import DATASETS

STATEMENTS = [
    ('850-0-0', 'The right image shows a walkway.', 'False'),
    ('850-2-0', 'The right image shows a walkway.', 'True'),
    ('850-2-1', 'There are bottles in both images. ', 'True'),
    ('851-1-0', 'One dog runs.', 'False'),
]


def official(split: str = 'dev') -> list[dict]:
    entries = [
        dict(
            validation={'61': 'False'},
            sentence=sentence,
            left_url=f'https://example.org/{number}/left.jpg',
            writer='61',
            label=label,
            right_url=f'https://example.org/{number}/right.jpg',
            synset='beer bottle',
            query='some beer bottles38',
            identifier=f'{split}-{number}',
            extra_validations={'154': 'False'},
        )
        for number, sentence, label in STATEMENTS
    ]
    if split == 'train':
        for number, entry in enumerate(entries):
            entry.pop('extra_validations')
            entry['directory'] = 62 + number // 3
    return entries


def albef(split: str = 'dev') -> list[dict]:
    stems = [f'{split}/{split}-{number.rpartition("-")[0]}' for number, *_ in STATEMENTS]
    return [
        dict(sentence=sentence, label=label, images=[f'{stem}-img0.png', f'{stem}-img1.png'])
        for stem, (_, sentence, label) in zip(stems, STATEMENTS, strict=True)
    ]


def write_lines(path: Path, entries: list[dict]) -> str:
    path.write_text(''.join(json.dumps(entry) + '\n' for entry in entries))
    return str(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ('dev', 'train'):
        entries = official(split)
        write_lines(tmp_path / f'{split}.json', entries)
        for number, entry in enumerate(entries):
            folder = tmp_path / split / str(entry.get('directory', ''))
            folder.mkdir(parents=True, exist_ok=True)
            for side in range(2):
                shade = np.full((8 + number, 6 + side, 3), 40 * number + 10 * side, np.uint8)
                Image.fromarray(shade).save(folder / f'{entry["identifier"].rpartition("-")[0]}-img{side}.png')
    (tmp_path / 'albef.json').write_text(json.dumps(albef()))
    return tmp_path


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    lines = []

    def record(message: str, logger: str, level: int) -> None:
        assert level == logging.WARNING
        lines.append(message)

    monkeypatch.setattr(base, 'print_log', record)
    return lines


LOAD = dict(
    type='mmpretrain.ApplyToList',
    scatter_key='img_path',
    collate_keys=['img'],
    transforms=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(16, 16)), dict(type='RandomFlip', prob=0.5)],
)


def make(root: Path, split: str = 'dev', **options) -> NLVR2Pairs:
    defaults = dict(ann_file=f'{split}.json', data_root=str(root), data_prefix=dict(img_path=split))
    return DATASETS.build(dict(dict(type='NLVR2Pairs', **defaults), **options))


@pytest.mark.parametrize('test_mode', [False, True])
def test_items_of_the_official_file(root: Path, test_mode: bool) -> None:
    items = list(make(root, test_mode=test_mode))
    assert [item['identifier'] for item in items] == [f'dev-{number}' for number, *_ in STATEMENTS]
    assert [item['gt_label'] for item in items] == [0, 1, 1, 0]
    assert items[2]['text'] == ['There are bottles in both images.']
    assert items[2]['img_path'] == [str(root / 'dev' / f'dev-850-2-img{side}.png') for side in range(2)]
    assert items[1]['image_id'] == items[2]['image_id'] != items[0]['image_id']
    assert len({item['text_ids'][0] for item in items}) == 4


def test_train_images_lie_in_numbered_subfolders_or_in_one(root: Path) -> None:
    paths = [item['img_path'][1] for item in make(root, 'train', test_mode=True)]
    assert paths[0] == str(root / 'train' / '62' / 'train-850-0-img1.png')
    assert paths[3] == str(root / 'train' / '63' / 'train-851-1-img1.png')
    for path in (root / 'train').glob('*/*.png'):
        path.rename(root / 'train' / path.name)
    for folder in ('62', '63'):
        (root / 'train' / folder).rmdir()
    assert next(iter(make(root, 'train', test_mode=True)))['img_path'][0] == str(
        root / 'train' / 'train-850-0-img0.png'
    )


def test_albefs_list_gives_the_same_items(root: Path) -> None:
    ours = list(make(root))
    items = list(make(root, ann_file='albef.json', data_prefix=dict(img_path='')))
    assert items == ours
    other = [dict(images=['a/x.jpg', 'b/y.jpg'], sentence=text, label=True) for text in ('one', 'two')]
    (root / 'other.json').write_text(json.dumps(other))
    assert [(pair['identifier'], pair['label']) for pair in read_pairs(str(root / 'other.json'))] == [
        ('x-0-0', 1),
        ('x-0-1', 1),
    ]


def test_a_split_without_labels_is_for_tests(root: Path) -> None:
    entries = [{key: value for key, value in entry.items() if key != 'label'} for entry in official()]
    write_lines(root / 'dev.json', entries)
    assert {item['gt_label'] for item in make(root, test_mode=True)} == {-1}
    with pytest.raises(ValueError, match=r"dev\.json: 4 of 4 statements have no label.*'dev-850-0-0'.*test_mode=True"):
        make(root)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(label='true'), r"dev\.json:2: expected 'sentence', 'label'.*'label' must be .* it is 'true'"),
        (dict(identifier='850'), r"dev\.json:2: .*'identifier', split-set-pair-sentence.* \(.*850"),
        (dict(sentence=None), r"dev\.json:2: expected 'sentence'"),
    ],
)
def test_errors_name_the_line(root: Path, change: dict, message: str) -> None:
    entries = official()
    entries[1].update(change)
    write_lines(root / 'dev.json', entries)
    with pytest.raises(ValueError, match=message):
        make(root)


def test_other_wrong_files(root: Path) -> None:
    (root / 'dev.json').write_text('\n{"sentence": ')
    with pytest.raises(ValueError, match=r'dev\.json:2: not valid JSON'):
        make(root)
    (root / 'dev.json').write_text('[{"sentence": "one", "label": "True", "images": ["a.png"]}]')
    with pytest.raises(ValueError, match=r"dev\.json: entry 0: .*'images', \[left, right\]"):
        make(root)
    (root / 'dev.json').write_text('')
    with pytest.raises(ValueError, match=r'dev\.json: no statements'):
        make(root)
    with pytest.raises(FileNotFoundError, match=r'no\.json does not exist'):
        make(root, ann_file='no.json')


def test_a_missing_image(root: Path, warnings: list[str]) -> None:
    (root / 'dev' / 'dev-850-2-img1.png').unlink()
    dataset = make(root, pipeline=[LOAD])
    assert warnings[0].startswith('1 of 6 images are missing')
    assert [dataset[index]['identifier'] for index in range(4)] == ['dev-850-0-0', *['dev-851-1-0'] * 3]
    assert list(dataset.broken) == ['dev-850-2-0', 'dev-850-2-1']
    with pytest.raises(FileNotFoundError, match=r'pair dev-850-2-0 lacks .*dev-850-2-img1\.png\. 1 of 6.*benchmark'):
        make(root, test_mode=True)
    with pytest.raises(FileNotFoundError, match=r'pair dev-850-0-0 lacks .*6 of 6 images.*data_prefix'):
        make(root, data_prefix=dict(img_path='nowhere'))


def test_a_broken_image(root: Path, warnings: list[str]) -> None:
    (root / 'dev' / 'dev-850-0-img1.png').write_bytes(b'<html>')
    assert make(root, pipeline=[LOAD])[0]['identifier'] == 'dev-850-2-0'
    assert 'pair dev-850-0-0' in warnings[0]
    with pytest.raises(BrokenSampleError, match=r'pair dev-850-0-0: .*dev-850-0-img1\.png.*benchmark'):
        make(root, pipeline=[LOAD], test_mode=True)[0]


def test_a_statement_without_words(root: Path, warnings: list[str]) -> None:
    entries = official()
    entries[0]['sentence'] = '...'
    write_lines(root / 'dev.json', entries)
    assert make(root)[0]['identifier'] == 'dev-850-2-0'
    assert 'pair dev-850-0-0' in warnings[0]
    assert make(root, test_mode=True)[0]['text'] == ['...']


def test_whole_pipeline(root: Path) -> None:
    pipeline = [
        LOAD,
        dict(type='mmpretrain.CleanCaption', keys='text'),
        dict(type='sacl_mm.TokenizeText', tokenizer=dict(type='WordPieceTokenizer', vocab=['one', 'dog', 'runs'])),
        dict(
            type='mmpretrain.PackInputs',
            algorithm_keys=['token_ids', 'image_id', 'text_ids'],
            meta_keys=['img_path', 'text', 'identifier'],
        ),
    ]
    dataset = make(root, pipeline=pipeline)
    packed = [dataset[index] for index in sorted(EpochSampler(dataset, seed=0))]
    left, right = packed[3]['inputs']
    assert left.shape == right.shape == (3, 16, 16)
    assert (left.unique().tolist(), right.unique().tolist()) == ([120], [130])
    sample = packed[3]['data_samples']
    assert (sample.gt_label.item(), sample.identifier, sample.text) == (0, 'dev-851-1-0', ['one dog runs'])
    assert [Path(path).name for path in sample.img_path] == ['dev-851-1-img0.png', 'dev-851-1-img1.png']
    assert len(sample.token_ids[0]) == 5


def test_the_two_images_are_augmented_on_their_own_and_reproducibly(root: Path) -> None:
    gradient = np.tile(np.arange(16, dtype=np.uint8)[None, :, None], (16, 1, 3))
    for side in range(2):
        Image.fromarray(gradient).save(root / 'dev' / f'dev-851-1-img{side}.png')
    dataset = make(root, pipeline=[LOAD])
    flips = set()
    for epoch in range(16):
        first, second = (dataset[SampleIndex(3, epoch, seed=0)]['img'] for _ in range(2))
        assert all(
            torch.equal(torch.tensor(a.copy()), torch.tensor(b.copy())) for a, b in zip(first, second, strict=True)
        )
        flips.add(tuple(bool(image[0, 0, 0] > image[0, -1, 0]) for image in first))
    assert len(flips) == 4
