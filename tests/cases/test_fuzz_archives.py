"""Whatever a tar archive or a Parquet file holds, it is read, or refused in one line that names the file.

FUZZ_EXAMPLES says how many files each kind of test makes (default 60).
"""

import io
import json
import os
import tarfile
from collections.abc import Callable

import pytest
from archive_examples import write_parquet, write_tar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sacl_mm.datasets import BrokenSampleError, LoadImage
from sacl_mm.datasets.caption_formats import read_captions
from sacl_mm.datasets.image_files import is_file
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import UserError, printable

FUZZ = settings(
    max_examples=int(os.environ.get('FUZZ_EXAMPLES') or 60),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
_MOST_LOADED = 5


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp('fuzz'))


def check(path: str, format: str) -> None:
    """Captions are read or refused, and images inside load or are broken samples."""
    captions, said = read(path, format)
    assert said is None or printable(path) in said
    assert said is None or said == printable(said)
    for name, texts in captions.items():
        os.fsencode(name)
        '\n'.join(texts).encode()
    inside = [name for name in captions if name.startswith(f'{path}/')]
    for name in inside[:_MOST_LOADED]:
        assert is_file(name)
        with pytest.raises(BrokenSampleError) as raised:  # none is an image
            LoadImage()(dict(img_path=name))
        assert printable(path) in str(raised.value)


def read(path: str, format: str) -> tuple[dict[str, list[str]], str | None]:
    try:
        return read_captions(path, format, report=ReadingReport(path)), None
    except UserError as error:
        return {}, str(error)


def written(path: str, content: bytes, edits: list[tuple[int, int, bytes]]) -> str:
    for number, length, put in edits:
        start = number % (len(content) + 1)
        content = content[:start] + put + content[start + length :]
    with open(path, 'wb') as file:
        file.write(content)
    return path


EDITS = st.lists(
    st.tuples(
        st.integers(0, 1 << 20),
        st.integers(0, 600),
        st.binary(max_size=8) | st.sampled_from([b'\xff' * 12, bytes(512), b'0' * 11, b'\x80' + b'\xff' * 11]),
    ),
    min_size=1,
    max_size=4,
)
BYTES = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.just(1), st.binary(min_size=1, max_size=1)), min_size=1, max_size=4
)

# ------------------------------------------------------------------------------------------------ tar
NAMES = st.one_of(
    st.sampled_from(
        ['a.jpg', 'a.txt', 'a.json', 'A.JPG', 'b.png', 'b.json', './a.jpg', '../a.jpg', '/a.jpg', 'd/a.b.jpg', '.a']
    ),
    st.text(st.characters(exclude_categories=['Cs']), max_size=12),
    st.text('a', min_size=150, max_size=300).map(lambda text: f'{text}.jpg'),
)
TYPES = st.sampled_from([*(b'01234567LKSxgXDV'[n : n + 1] for n in range(16)), *[b'0'] * 30])
CONTENTS = st.one_of(
    st.binary(max_size=600),
    st.text(max_size=20).map(str.encode),
    st.dictionaries(
        st.sampled_from(['caption', 'text', 'x']), st.none() | st.text() | st.integers() | st.lists(st.text())
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b'30 path=../../etc/passwd\n', b'12 size=-512\n', b'18 size=9999999999\n', b'1000000 path=a\n', b'0 \n']
    ),
)
MEMBERS = st.lists(st.tuples(NAMES, TYPES, CONTENTS), max_size=6)
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def tar_of(members: list[tuple[str, bytes, bytes]], format: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w', format=format, encoding='utf-8', errors='surrogateescape') as tar:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            try:
                tar.addfile(info, io.BytesIO(content))
            except ValueError:  # a name that the format cannot hold
                continue
    return file.getvalue()


@FUZZ
@given(MEMBERS, st.sampled_from(FORMATS))
def test_tars_of_any_members(folder: str, members: list, format: int) -> None:
    check(written(f'{folder}/a.tar', tar_of(members, format), []), 'webdataset')


@FUZZ
@given(EDITS | BYTES, st.sampled_from(FORMATS), st.booleans())
def test_tars_that_were_changed(folder: str, edits: list, format: int, sums: bool) -> None:
    members = [(name, b'0', b'{"text": "a"}') for name in ('a.jpg', 'a.json', 'n' * 200 + '.png', 'b.jpg', 'b.txt')]
    path = written(f'{folder}/a.tar', tar_of(members, format), edits)
    if sums:
        _mend_checksums(path)
    check(path, 'webdataset')


def _mend_checksums(path: str) -> None:
    """Otherwise nearly every change is refused by them."""
    with open(path, 'rb') as file:
        content = bytearray(file.read())
    for start in range(0, len(content) - 511, 512):
        if content[start + 257 : start + 262] == b'ustar':
            content[start + 148 : start + 156] = b' ' * 8
            content[start + 148 : start + 156] = b'%06o\0 ' % sum(content[start : start + 512])
    with open(path, 'wb') as file:
        file.write(content)


@FUZZ
@given(st.binary(max_size=1200))
def test_random_bytes(folder: str, content: bytes) -> None:
    for suffix in ('tar', 'parquet'):
        path = written(f'{folder}/a.{suffix}', content, [])
        for format in ('webdataset' if suffix == 'tar' else 'parquet', 'auto'):
            check(path, format)


# ------------------------------------------------------------------------------------------------ Parquet
TEXTS = st.none() | st.text(max_size=5) | st.sampled_from(['a.png', '../a', '/etc/passwd', 'x\0', '\x1b[2J'])
IMAGES = st.one_of(
    st.lists(TEXTS, max_size=6),
    st.lists(st.none() | st.binary(max_size=5), max_size=6),
    st.lists(st.none() | st.fixed_dictionaries(dict(bytes=st.none() | st.binary(max_size=5), path=TEXTS)), max_size=6),
    st.lists(st.integers(0, 9), max_size=6),
)
CAPTIONS: list[Callable] = [
    lambda number: f'a dog {number}',
    lambda number: None if number % 2 else 'a',
    lambda number: [f'a {number}', None],
    lambda number: number,
    lambda number: dict(raw='a'),
]


@FUZZ
@given(IMAGES, st.sampled_from(CAPTIONS), st.integers(1, 7), st.booleans())
def test_parquet_of_any_columns(folder: str, images: list, caption: Callable, rows: int, statistics: bool) -> None:
    pytest.importorskip('pyarrow')
    table = dict(image=images, caption=[caption(number) for number in range(len(images))])
    path = write_parquet(f'{folder}/a.parquet', table, row_group_size=rows, write_statistics=statistics)
    check(path, 'parquet')


@FUZZ
@given(EDITS | BYTES, st.sampled_from(['none', 'snappy', 'gzip']), st.booleans())
def test_parquet_files_that_were_changed(folder: str, edits: list, compression: str, inside: bool) -> None:
    pytest.importorskip('pyarrow')
    images = [dict(bytes=bytes(50), path=f'{n}.png') for n in range(9)] if inside else [f'{n}.png' for n in range(9)]
    table = dict(image=images, caption=[f'a dog {n}' for n in range(9)])
    path = write_parquet(f'{folder}/a.parquet', table, row_group_size=4, compression=compression)
    with open(path, 'rb') as file:
        content = file.read()
    check(written(path, content, edits), 'parquet')


def test_the_unchanged_files_are_read(folder: str) -> None:
    path = write_tar(f'{folder}/b.tar', {'a.jpg': b'1', 'a.txt': b'a dog'})
    assert read_captions(path) == {f'{path}/a.jpg': ['a dog']}
    check(path, 'auto')
