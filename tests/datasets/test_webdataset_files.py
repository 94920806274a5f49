"""WebDataset's shards."""

import json
from pathlib import Path

import pytest
from archive_examples import write_tar

from sacl_mm.datasets import BrokenSampleError, ImageTextPairs
from sacl_mm.datasets.caption_formats import detect_format, read_captions
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError


def read(path: Path, **options) -> tuple[dict[str, list[str]], ReadingReport]:
    report = ReadingReport()
    captions = read_captions(str(path), report=report, **options)
    root = path if path.is_dir() else path.parent
    return {name.removeprefix(f'{root}/'): texts for name, texts in captions.items()}, report


def shard(tmp_path: Path, members: dict[str, bytes]) -> Path:
    return Path(write_tar(tmp_path / 'x.tar', members))


SAMPLES = {
    'a text': ({'a.jpg': b'', 'a.txt': b'one\ntwo \n\n'}, {'a.jpg': ['one', 'two']}),
    'JSON': ({'a.webp': b'', 'a.json': b'{"key": "a", "Caption": "one"}'}, {'a.webp': ['one']}),
    'JSON with a list': ({'a.jpg': b'', 'a.json': b'{"text": ["one", "two"]}'}, {'a.jpg': ['one', 'two']}),
    'JSON without a caption': ({'a.jpg': b'', 'a.json': b'{"caption": null}'}, {'a.jpg': []}),
    'a text and JSON': ({'a.json': b'{', 'a.txt': b'one', 'a.jpg': b''}, {'a.jpg': ['one']}),
    'the order of the tar': (
        {'b.txt': b'b', 'b.png': b'', 'a.png': b'', 'a.txt': b'a'},
        {'b.png': ['b'], 'a.png': ['a']},
    ),
    'parts far from each other': ({'a.png': b'', 'b.png': b'', 'a.txt': b'a'}, {'a.png': ['a'], 'b.png': []}),
    'folders with dots': ({'v1.0/a.png': b'', './v1.0/a.txt': b'a'}, {'v1.0/a.png': ['a']}),
    'capitals': ({'A.JPG': b'', 'A.TXT': b'a'}, {'A.JPG': ['a']}),
    'UTF-16': ({'a.jpg': b'', 'a.txt': 'größer'.encode('utf-16')}, {'a.jpg': ['größer']}),
}


@pytest.mark.parametrize('case', SAMPLES)
def test_samples(case: str, tmp_path: Path) -> None:
    members, expected = SAMPLES[case]
    captions, report = read(shard(tmp_path, members))
    assert list(captions.items()) == [(f'x.tar/{name}', texts) for name, texts in expected.items()]
    assert report.lines() == []


TOLD = {
    'another kind': ({'a.cls': b'1'}, 'parts of another kind passed over (.cls)'),
    'two dots': ({'a.seg.png': b''}, 'parts of another kind passed over (.seg.png)'),
    'a second image': ({'a.png': b''}, 'further images of a sample passed over'),
    'a second text': ({'a.TXT': b'b'}, 'parts that a sample has in capitals, too, passed over'),
    'no suffix': ({'README': b''}, 'members without a key or suffix passed over'),
    'macOS': ({'._a.jpg': b''}, 'members without a key or suffix passed over'),
    'no image': ({'b.txt': b'b'}, 'texts without an image'),
    'an absolute name': ({'/b.jpg': b''}, 'members of archives whose names lead out'),
}


@pytest.mark.parametrize('case', TOLD)
def test_what_is_passed_over_is_told(case: str, tmp_path: Path) -> None:
    members, reason = TOLD[case]
    captions, report = read(shard(tmp_path, {'a.jpg': b'', 'a.txt': b'a'} | members))
    assert captions == {'x.tar/a.jpg': ['a']}
    (line,) = report.lines()
    assert f'{reason}: 1 ({tmp_path}/x.tar/{next(iter(members))})' in line


REFUSED = {
    'broken JSON': ({'a.jpg': b'', 'a.json': b'{'}, r'x\.tar/a\.json: not valid JSON'),
    'JSON that is a list': ({'a.jpg': b'', 'a.json': b'[]'}, r'x\.tar/a\.json: expected an object'),
    'JSON without a known key': (
        {'a.jpg': b'', 'a.json': b'{"x": 1}'},
        r'a\.json: no column for the caption .*columns=dict',
    ),
    'a caption that is a number': ({'a.jpg': b'', 'a.json': b'{"text": 1}'}, r"a\.json: 'text' must be a text"),
    'Latin-1': ({'a.jpg': b'', 'a.txt': b'\xe9t\xe9'}, r'x\.tar/a\.txt:1: not UTF-8'),
    'a book': ({'a.jpg': b'', 'a.txt': bytes(1 << 21)}, r'a\.txt: 2,097,152 bytes are too many'),
    'a name with an escape sequence': (
        {'\x1b[2J.jpg': b'', '\x1b[2J.json': b'{'},
        r'x\.tar/\\x1b\[2J\.json: not valid',
    ),
    'no images': ({'a.txt': b'a'}, 'no image .* first dot .* data_prefix'),
    'plain files with dots': ({'v1.2.jpg': b'', 'v1.2.txt': b'a'}, 'no image .* first dot'),
    'nothing': ({}, 'no image'),
}


@pytest.mark.parametrize('case', REFUSED)
def test_what_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    members, message = REFUSED[case]
    with pytest.raises(AnnotationError, match=message) as raised:
        read(shard(tmp_path, members))
    assert str(raised.value).isprintable()


def test_columns_name_the_key(tmp_path: Path) -> None:
    path = shard(tmp_path, {'a.jpg': b'', 'a.txt': b'x', 'a.json': json.dumps(dict(alt='one', caption='two')).encode()})
    assert read(path, columns=dict(caption='alt'))[0] == {'x.tar/a.jpg': ['one']}
    with pytest.raises(AnnotationError, match=r'x\.tar: in WebDataset the image is a part of its own'):
        read(path, columns=dict(image='jpg', caption='alt'))


def test_a_folder_of_shards(tmp_path: Path) -> None:
    for number in (1, 0):
        write_tar(tmp_path / f'0000{number}.tar', {'a.jpg': b'', 'a.txt': str(number).encode()})
        (tmp_path / f'0000{number}.parquet').touch()  # as img2dataset writes them
    (tmp_path / '.hidden').touch()
    captions, report = read(tmp_path)
    assert captions == {'00000.tar/a.jpg': ['0'], '00001.tar/a.jpg': ['1']}
    assert report.noticed['entries beside the archives passed over'].count == 2
    files = [str(tmp_path / f'0000{number}.tar') for number in range(2)]
    assert [item['text'] for item in ImageTextPairs(files)] == [['0'], ['1']]


def test_shards_of_several_splits_are_not_mixed(tmp_path: Path) -> None:
    for name in ('cc3m-train-0000.tar', 'cc3m-validation-0000.tar'):
        write_tar(tmp_path / name, {'a.jpg': b'', 'a.txt': b'a'})
    with pytest.raises(
        AnnotationError, match=r"shards of several splits \(train, validation\).*ann_file=\['.*cc3m-train"
    ):
        read(tmp_path)


def test_how_the_format_is_told(tmp_path: Path) -> None:
    path = shard(tmp_path, {'a.jpg': b''})
    assert detect_format(str(path)) == detect_format(str(tmp_path)) == 'webdataset'
    (tmp_path / 'b.jpg').touch()
    assert detect_format(str(tmp_path)) == 'folder'
    with pytest.raises(
        AnnotationError, match=r'x\.tgz is compressed with gzip: .*\.tar\.gz becomes a \.tar, which is read'
    ):
        read(Path(write_tar(tmp_path / 'x.tgz', {'a.jpg': b''}, mode='w:gz')))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(AnnotationError, match=r'empty: no \*\.tar in this folder'):
        read(tmp_path / 'empty', format='webdataset')


def test_mmcvs_loader_says_what_reads_archives(tmp_path: Path) -> None:
    path = shard(tmp_path, {'a.jpg': b'', 'a.txt': b'a'})
    with pytest.raises(BrokenSampleError, match=r'x\.tar/a\.jpg.* read by sacl_mm\.LoadImage'):
        ImageTextPairs(str(path), pipeline=[dict(type='LoadImageFromFile')])[0]


def test_names_in_another_file_lead_only_into_archives_below_the_root(tmp_path: Path) -> None:
    (tmp_path / 'root').mkdir()
    write_tar(tmp_path / 'secret.tar', {'a.png': b''})
    write_tar(tmp_path / 'root' / 'x.tar', {'a.png': b''})
    names = ['x.tar/a.png', 'x.tar/../../secret.tar/a.png', f'{tmp_path}/secret.tar/a.png', 'x.tar/b.png']
    (tmp_path / 'root' / 'a.json').write_text(json.dumps([dict(image=name, caption='a') for name in names]))
    dataset = ImageTextPairs('a.json', data_root=str(tmp_path / 'root'))
    paths = dataset._image_paths()
    assert [dataset._is_allowed(path) for path in paths] == [True, False, False, True]
    assert dataset._missing(paths) == [paths[3]]


def test_a_damaged_archive_that_names_lead_into_is_named_when_loaded(tmp_path: Path) -> None:
    (tmp_path / 'x.tar').write_bytes(b'no archive')
    (tmp_path / 'a.json').write_text('[{"image": "a.png", "caption": "a"}]')
    with pytest.raises(AnnotationError, match=r'x\.tar: no tar archive'):
        ImageTextPairs('a.json', data_root=str(tmp_path), data_prefix=dict(img_path='x.tar'))
