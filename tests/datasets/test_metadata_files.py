"""Folders of images with Hugging Face's metadata file."""

import json
from pathlib import Path

import pytest
from archive_examples import write_parquet

from sacl_mm.datasets import ImageTextPairs
from sacl_mm.datasets.caption_formats import read_captions
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

CONTENTS = {
    'metadata.jsonl': '{"file_name": "a.png", "text": "a dog"}\n{"file_name": "sub/b.png", "text": "a cat"}\n',
    'metadata.csv': 'file_name,text\na.png,a dog\nsub/b.png,a cat\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / 'images'
    (folder / 'sub').mkdir(parents=True)
    for name in ('a.png', 'sub/b.png'):
        (folder / name).touch()
    return folder


def read(root: Path, **options) -> tuple[dict[str, list[str]], ReadingReport]:
    report = ReadingReport()
    captions = read_captions(str(root), report=report, **options)
    return {name.removeprefix(f'{root}/'): texts for name, texts in captions.items()}, report


@pytest.mark.parametrize('name', CONTENTS)
def test_the_folder_is_given(name: str, root: Path, monkeypatch) -> None:
    (root / name).write_text(CONTENTS[name])
    captions, report = read(root)
    assert captions == {'a.png': ['a dog'], 'sub/b.png': ['a cat']}
    assert report.lines() == []
    monkeypatch.chdir(root.parent)
    assert [item['text'] for item in ImageTextPairs('images', test_mode=True)] == [['a dog'], ['a cat']]


def test_parquet(root: Path) -> None:
    pytest.importorskip('pyarrow')
    write_parquet(root / 'metadata.parquet', dict(file_name=['a.png'], text=['a dog']))
    assert read(root)[0] == {'a.png': ['a dog']}


def test_what_is_passed_over_is_told(root: Path) -> None:
    for name in ('a.txt', 'c.png'):
        (root / name).touch()
    for name, content in CONTENTS.items():
        (root / name).write_text(content)
    captions, report = read(root)
    assert list(captions) == ['a.png', 'sub/b.png']
    assert report.noticed['texts passed over, as metadata.jsonl is read'].examples == [
        str(root / 'a.txt'), str(root / 'metadata.csv'),
    ]  # fmt: skip
    assert report.noticed['images that metadata.jsonl does not list'].examples == [str(root / 'c.png')]


def test_columns(root: Path) -> None:
    (root / 'metadata.csv').write_text('file_name,text,words\na.png,x,a dog\n')
    assert read(root, columns=dict(caption='words'))[0] == {'a.png': ['a dog']}


@pytest.mark.parametrize('name', ['../secret.png', '/etc/passwd', 'http://x/a.png'])
def test_names_that_lead_out(name: str, root: Path) -> None:
    (root / 'metadata.jsonl').write_text(json.dumps(dict(file_name=name, text='a')))
    with pytest.raises(AnnotationError, match='1 of 1 image names lead out of'):
        ImageTextPairs(str(root))


def test_errors_name_the_file(root: Path) -> None:
    (root / 'metadata.jsonl').write_text('{"file_name": 3}')
    with pytest.raises(AnnotationError, match=r'images/metadata\.jsonl:1: expected'):
        read(root)
    (root / 'metadata.jsonl').unlink()
    with pytest.raises(AnnotationError, match=r'images: no metadata\.jsonl, metadata\.csv, metadata\.parquet in this'):
        read(root, format='imagefolder')
    with pytest.raises(AnnotationError, match=r'a\.png: expected a folder with metadata'):
        read(root / 'a.png', format='imagefolder')
