"""Tables in Parquet files."""

from pathlib import Path

import pytest
from archive_examples import write_parquet

from sacl_mm.datasets import ImageTextPairs
from sacl_mm.datasets.caption_formats import detect_format, read_captions
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

pa = pytest.importorskip('pyarrow')


def read(path: str, **options) -> tuple[dict[str, list[str]], ReadingReport]:
    report = ReadingReport()
    return read_captions(path, report=report, **options), report


DOG = {'a.png': ['a dog']}
TABLES = {
    'names': (dict(image=['a.png'], caption=['a dog']), DOG),
    'usual names in any case': (dict(id=[1], File_Name=['a.png'], Text=[' a dog ']), DOG),
    'lists of captions': (
        dict(image=['a.png', 'b.png'], captions=[['a', None, 'b'], []]),
        {'a.png': ['a', 'b'], 'b.png': []},
    ),
    'large texts': (
        dict(image=pa.array(['a.png'], pa.large_string()), text=pa.array(['a dog'], pa.large_string())),
        DOG,
    ),
    'categories of pandas': (dict(image=pa.array(['a.png']).dictionary_encode(), text=['a dog']), DOG),
    'rows of the same image': (
        dict(image=['a.png', 'b.png', 'a.png'], text=['1', '2', '3']),
        {'a.png': ['1', '3'], 'b.png': ['2']},
    ),
    'a caption that is null': (dict(image=['a.png', 'b.png'], text=['a dog', None]), DOG | {'b.png': []}),
    'structs of names': (dict(image=[dict(bytes=None, path='a.png')], text=['a dog']), DOG),
    'half a character': (dict(image=['a.png'], text=['größer 😀']), {'a.png': ['größer 😀']}),
    'no rows': (dict(image=pa.array([], pa.string()), text=pa.array([], pa.string())), {}),
}


@pytest.mark.parametrize('case', TABLES)
def test_names(case: str, tmp_path: Path) -> None:
    table, expected = TABLES[case]
    captions, report = read(write_parquet(tmp_path / 'pairs', table))
    assert list(captions.items()) == list(expected.items())
    assert report.lines() == []


@pytest.mark.parametrize('rows', [1, 2, 10])
@pytest.mark.parametrize('statistics', [True, False])
def test_images_inside_and_names_together(rows: int, statistics: bool, tmp_path: Path) -> None:
    images = [
        dict(bytes=b'1', path='x/a.png'), None, dict(bytes=b'2', path=None), dict(bytes=None, path='b.png'),
        dict(bytes=None, path=None), dict(bytes=b'3', path='no suffix'), dict(bytes=b'3', path='x/a.png'),
    ]  # fmt: skip
    table = dict(img=images, text=list('abcdefg'))
    path = write_parquet(tmp_path / 'a.parquet', table, row_group_size=rows, write_statistics=statistics)
    captions, report = read(path)
    inside = {0: '0.png', 2: '2', 5: '5', 6: '6.png'}
    expected = {f'{path}/img/{name}': ['abcdefg'[row]] for row, name in inside.items()} | {'b.png': ['d']}
    assert captions == expected
    assert list(captions) == [*list(expected)[:2], 'b.png', *list(expected)[2:4]]
    assert report.skipped['rows without an image'].examples == [f'{path}: row 1', f'{path}: row 4']
    assert report.noticed['images inside that have the name of an earlier one'].examples == [f'{path}: row 6, x/a.png']


REFUSED = {
    'no caption': (dict(image=['a.png']), r'no column for the caption .*columns=dict\(caption=\.\.\.\)'),
    'addresses': (dict(url=['http://x/a.png'], caption=['a']), 'img2dataset'),
    'images that are lists': (dict(image=[['a.png']], caption=['a']), "images .'image'. must be names, bytes"),
    'images that are numbers': (dict(image=[7], caption=['a']), 'must be names, bytes .*not int64'),
    'captions that are numbers': (dict(image=['a.png'], caption=[7]), "row 0: 'caption' must be a text"),
    'captions that are structs': (dict(image=['a.png'], caption=[[dict(raw='a')]]), "row 0: 'caption' must be a text"),
    'an empty name': (dict(image=['a.png', ' '], caption=['a', 'b']), 'row 1: no file has the name'),
    'a name with NUL': (dict(image=['a\0.png'], caption=['a']), 'row 0: no file has the name'),
    'a caption that is no UTF-8': (
        dict(image=['a.png'], caption=pa.array([b'\xff']).view(pa.string())),
        'not readable .*utf-8',
    ),
}


@pytest.mark.parametrize('case', REFUSED)
def test_what_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    table, message = REFUSED[case]
    path = write_parquet(tmp_path / 'a.parquet', table)
    with pytest.raises(AnnotationError, match=message) as raised:
        read(path)
    assert path in str(raised.value)
    assert str(raised.value).isprintable()


def test_columns(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / 'a.parquet', dict(left=[b'1'], image=[b'2'], words=['a'], caption=['b']))
    assert read(path, columns=dict(image='left', caption='words'))[0] == {f'{path}/left/0': ['a']}
    with pytest.raises(AnnotationError, match='names, not numbers'):
        read(path, columns=dict(image=0, caption=1))


def test_a_folder_of_shards(tmp_path: Path) -> None:
    for number in range(2):
        write_parquet(tmp_path / f'train-{number}.parquet', dict(image=[b'1'], caption=[str(number)]))
    assert detect_format(str(tmp_path)) == 'parquet'
    assert read(str(tmp_path))[0] == {f'{tmp_path}/train-{n}.parquet/image/0': [str(n)] for n in range(2)}
    write_parquet(tmp_path / 'test-0.parquet', dict(image=[b'1'], caption=['2']))
    with pytest.raises(AnnotationError, match=r'several splits \(test, train\)'):
        read(str(tmp_path))


def test_names_that_lead_out_and_relative_files(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = [dict(bytes=b'1', path='/etc/passwd'), dict(bytes=None, path='../x.png')]
    write_parquet(tmp_path / 'a.parquet', dict(image=images, caption=['a', 'b']))
    dataset = ImageTextPairs('a.parquet')
    paths = dataset._image_paths()
    assert paths == [f'{tmp_path}/a.parquet/image/0', '../x.png']
    assert [dataset._is_allowed(path) for path in paths] == [True, False]


def test_images_inside_need_the_suffix(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r'a\.pq: rename it so that it ends in \.parquet'):
        read(write_parquet(tmp_path / 'a.pq', dict(image=[b'1'], caption=['a'])))


def test_large_row_groups_are_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr('sacl_mm.datasets.parquet_files._LARGE_GROUP', 10)
    _, report = read(write_parquet(tmp_path / 'a.parquet', dict(image=[b'1' * 100], caption=['a'])))
    assert 'row groups of more than 32 MB' in next(iter(report.noticed))
