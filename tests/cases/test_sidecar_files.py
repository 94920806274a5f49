"""A folder of images with texts beside them: nothing in it is passed over without a word."""

import os
from pathlib import Path

import pytest

from sacl_mm.datasets import ImageTextPairs
from sacl_mm.datasets.caption_formats import read_captions
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / 'images'
    folder.mkdir()
    pair(folder / 'a.png')
    return folder


def pair(image: Path) -> None:
    image.parent.mkdir(exist_ok=True)
    image.touch()
    image.with_suffix('.txt').write_text(f'text of {image.stem}\n')


def read(root: Path) -> tuple[dict[str, list[str]], ReadingReport]:
    report = ReadingReport(str(root))
    captions = read_captions(str(root), report=report)
    return {os.path.relpath(name, root): texts for name, texts in captions.items()}, report


@pytest.mark.parametrize(
    'suffix',
    ['.jfif', '.avif', '.jpe', '.jp2', '.JPG', '.tif', '.dib', '.j2k', '.pgm', '.ppm', '.apng', '.webp', '.gif'],
)
def test_images_with_suffix(suffix: str, root: Path) -> None:
    pair(root / f'b{suffix}')
    captions, report = read(root)
    assert captions == {'a.png': ['text of a'], f'b{suffix}': ['text of b']}
    assert report.lines() == []


def test_a_text_without_image_is_counted_and_named(root: Path) -> None:
    for name in ('b.txt', 'c.txt'):
        (root / name).touch()
    assert read(root)[1].skipped['texts without an image'].examples == [str(root / 'b.txt'), str(root / 'c.txt')]


@pytest.mark.parametrize('suffix', ['.heic', '.svg', '.cr2', '.mp4', ''])
def test_what_is_not_decoded_is_counted_and_named(suffix: str, root: Path) -> None:
    pair(root / f'b{suffix}')
    captions, report = read(root)
    assert list(captions) == ['a.png']
    assert report.skipped['texts without an image'].examples == [str(root / 'b.txt')]
    (reason,) = report.noticed
    assert (suffix or 'no suffix') in reason


def test_images_in_linked_sub_folders(root: Path, tmp_path: Path) -> None:
    pair(tmp_path / 'elsewhere' / 'b.png')
    (root / 'link').symlink_to(tmp_path / 'elsewhere')
    captions, report = read(root)
    assert captions == {'a.png': ['text of a'], 'link/b.png': ['text of b']}
    assert report.lines() == []


@pytest.mark.parametrize('target', ['.', '..', 'images', 'sub'])
def test_a_folder_is_read_once_whatever_links_to_it(target: str, root: Path, tmp_path: Path) -> None:
    pair(root / 'sub' / 'b.png')
    (root / 'a_link').symlink_to(tmp_path / 'images' if target == 'images' else root / target)
    captions, report = read(root)
    if target != '..':
        assert list(captions) == ['a.png', 'sub/b.png']
    assert len(captions) == 2
    assert sum(remark.count for remark in report.skipped.values()) == 1


def test_files_of_the_system_are_passed_over(root: Path) -> None:
    (root / '._a.png').write_bytes(b'\0\5\26\7')
    (root / '._a.txt').write_bytes(b'\0\5\26\7\xff\xfe')
    (root / '.DS_Store').write_bytes(b'\0')
    captions, report = read(root)
    assert captions == {'a.png': ['text of a']}
    assert report.noticed['hidden files passed over'].count == 3
    assert not report.skipped


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'a\n\xe9t\xe9\n', r'a\.txt:2: not UTF-8'), (b'\xff\xfea', r'a\.txt: begins as UTF-16')],
    ids=['sidecar files that are not UTF-8 (name the file)', 'a cut UTF-16 sidecar'],
)
def test_sidecars_that_are_not_text(content: bytes, message: str, root: Path) -> None:
    (root / 'a.txt').write_bytes(content)
    with pytest.raises(AnnotationError, match=message):
        read(root)


def test_texts_of_other_kinds_of_saving(root: Path) -> None:
    (root / 'a.txt').write_text('a\r\ndog\r\n', encoding='utf-16')
    (root / 'a.txt').rename(root / 'a.TXT')
    assert read(root)[0] == {'a.png': ['a', 'dog']}


def test_a_name_that_is_not_utf8(root: Path) -> None:
    name = os.fsdecode(b'\xe9.png')
    (root / name).touch()
    (root / os.fsdecode(b'\xe9.txt')).write_text('a dog')
    dataset = ImageTextPairs(ann_file=str(root))
    assert [os.path.basename(item['img_path']) for item in dataset] == ['a.png', name]
    assert len({item['image_id'] for item in dataset}) == 2


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('00000.tar', r"set ann_file='.*00000\.tar'"),
        ('train-00000-of-00001.parquet', r"set ann_file='.*train-00000-of-00001\.parquet'"),
        ('00000.tar.gz', r'unpack its files such as 00000\.tar\.gz'),
    ],
)
def test_folders_of_other_formats(name: str, hint: str, root: Path) -> None:
    (root / name).touch()
    (root / 'a.txt').unlink()
    with pytest.raises(AnnotationError, match=f'no text beside an image.*{hint}'):
        read(root)


def test_a_folder_that_may_not_be_listed(root: Path, monkeypatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, 'Permission denied', path)

    monkeypatch.setattr('os.scandir', refuse)
    with pytest.raises(AnnotationError, match=r'images: cannot be listed \(Permission denied\)'):
        read(root)
