"""Images inside Parquet files."""

import sys
from pathlib import Path

import pytest
from archive_examples import write_parquet

from sacl_mm.datasets import BrokenSampleError, LoadImage
from sacl_mm.datasets.archives import find_member, open_archive, parquet_archive
from sacl_mm.datasets.image_files import is_file, regular_file_size
from sacl_mm.user_error import AnnotationError, UserError

pa = pytest.importorskip('pyarrow')
CONTENTS = [f'image {n}'.encode() for n in range(10)]


@pytest.mark.parametrize('rows', [1, 3, 10])
@pytest.mark.parametrize('kind', ['binary', 'large_binary', 'struct', 'struct without path'])
def test_images_are_files(kind: str, rows: int, tmp_path: Path) -> None:
    column = pa.array(CONTENTS, pa.large_binary() if kind == 'large_binary' else pa.binary())
    if kind.startswith('struct'):
        rest = {} if kind.endswith('path') else dict(path='0.png')
        column = pa.array([dict(bytes=content, **rest) for content in CONTENTS])
    path = write_parquet(tmp_path / 'a.parquet', {'my.image': column, 'caption': ['a'] * 10}, row_group_size=rows)
    for number, content in enumerate(CONTENTS):
        for name in (f'{path}/my.image/{number}', f'{path}/my.image/{number}.png'):
            assert is_file(name)
            assert regular_file_size(name) == len(content)
            assert find_member(name).read() == content


@pytest.mark.parametrize(
    'name',
    [
        'image/10',
        'image/-1',
        'image/01',
        'image/x',
        'image',
        'image/',
        '1',
        'caption/1',
        'image/1/2',
        'image/' + '9' * 30,
    ],
)
def test_what_is_not_there(name: str, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / 'a.parquet', dict(image=CONTENTS, caption=['a'] * 10))
    assert not is_file(f'{path}/{name}')
    with pytest.raises(BrokenSampleError, match=r'a\.parquet/'):
        LoadImage()(dict(img_path=f'{path}/{name}'))


def test_a_row_without_an_image(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / 'a.parquet', dict(image=[b'1', None]))
    with pytest.raises(BrokenSampleError, match='this row has no image'):
        LoadImage()(dict(img_path=f'{path}/image/1'))


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    for content in (b'one', b'second'):
        path = write_parquet(tmp_path / 'a.parquet', dict(image=[content]))
        assert find_member(f'{path}/image/0').read() == content


def test_a_row_group_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(parquet_archive, 'MOST_BYTES_OF_A_GROUP', 50)
    path = write_parquet(tmp_path / 'a.parquet', dict(image=CONTENTS))
    with pytest.raises(BrokenSampleError, match=r'row group 0 has .* row_group_size=100'):
        LoadImage()(dict(img_path=f'{path}/image/0'))


@pytest.mark.parametrize('content', [b'', b'PAR1', b'PAR1' + bytes(100) + b'PAR1', b'hello' * 100])
def test_damaged_files_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / 'a.parquet'
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=r'a\.parquet: not readable as Parquet') as raised:
        open_archive(str(path))
    assert '\n' not in str(raised.value)


def test_damaged_pages_are_broken_samples(tmp_path: Path) -> None:
    path = tmp_path / 'a.parquet'
    write_parquet(path, dict(image=[bytes(range(256)) * 40]), compression='gzip')
    content = path.read_bytes()
    path.write_bytes(content[:60] + b'\xff' * 40 + content[100:])
    with pytest.raises(BrokenSampleError, match=r'a\.parquet'):
        LoadImage()(dict(img_path=f'{path}/image/0'))


def test_without_pyarrow_a_line_names_the_extra(tmp_path: Path, monkeypatch) -> None:
    path = write_parquet(tmp_path / 'a.parquet', dict(image=CONTENTS))
    monkeypatch.setattr(pa, '__version__', '13.0.0')
    with pytest.raises(UserError, match=r'a\.parquet: pyarrow 13\.0\.0 is too old .*\.\[parquet\]'):
        open_archive(path)
    monkeypatch.setitem(sys.modules, 'pyarrow.parquet', None)
    with pytest.raises(UserError, match=r'Parquet files need pyarrow, pip install -e \.\[parquet\]'):
        open_archive(path)
