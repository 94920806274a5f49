"""Tar archives as folders: what is in them, and what is refused or passed over."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from archive_examples import write_tar

from sacl_mm.datasets import BrokenSampleError, LoadImage
from sacl_mm.datasets.archives import find_member, open_archive
from sacl_mm.datasets.image_files import FolderListing, is_file, is_special, regular_file_size
from sacl_mm.user_error import AnnotationError

MEMBERS = {'a.png': b'one', 'sub/b.png': b'', 'sub/c.txt': b'x' * 1000}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write_tar(tmp_path / 'x.tar', MEMBERS)


@pytest.mark.parametrize('format', [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_files(format: int, tmp_path: Path) -> None:
    members = MEMBERS | {'n' * 150 + '/long.png': b'2', './d.png': b'3', os.fsdecode(b'\xe9.png'): b'4'}
    path, listing = write_tar(tmp_path / 'x.tar', members, format=format), FolderListing()
    for name, content in members.items():
        member = f'{path}/{name.removeprefix("./")}'
        assert find_member(member).read() == content
        assert (regular_file_size(member), is_file(member), member in listing) == (len(content), True, True)
        assert not is_special(member)
    assert not open_archive(path).remarks


@pytest.mark.parametrize('name', ['no.png', '', 'sub', '../x.tar/a.png', '/a.png', './a.png', 'a.png/', 'a\0.png'])
def test_what_is_not_there(name: str, path: str) -> None:
    member = f'{path}/{name}'
    assert not is_file(member)
    assert member not in FolderListing()
    with pytest.raises((OSError, ValueError)):
        regular_file_size(member)
    with pytest.raises(BrokenSampleError, match=r'x\.tar/'):
        LoadImage()(dict(img_path=member))


def test_other_paths_are_looked_up_as_ever(tmp_path: Path) -> None:
    (tmp_path / 'folder.tar').mkdir()
    (tmp_path / 'folder.tar' / 'a.png').touch()
    inner = write_tar(tmp_path / 'folder.tar' / 'x.tar', {'y.tar/a.png': b'1'})
    for name in ('a.png', 'b.png', 'x.tar'):
        assert find_member(str(tmp_path / 'folder.tar' / name)) is None
    assert is_file(str(tmp_path / 'folder.tar' / 'a.png'))
    assert find_member(f'{inner}/y.tar/a.png').read() == b'1'
    assert find_member(f's3://{inner}/y.tar/a.png') is None


def test_an_archive_that_changes_is_read_anew(path: str) -> None:
    assert is_file(f'{path}/a.png')
    write_tar(Path(path), {'b.png': b'longer', 'a.png': b'two'})
    assert find_member(f'{path}/a.png').read() == b'two'


def entry(name: str, **changes) -> bytes:
    info = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT)


GOOD = entry('a.png', size=1) + b'1'.ljust(512, b'\0')
END = bytes(1024)
SPARSE = {'GNU.sparse.major': '0', 'GNU.sparse.minor': '1', 'GNU.sparse.map': '0,1', 'GNU.sparse.size': '1'}


def pax(name: str, headers: dict[str, str]) -> bytes:
    info = tarfile.TarInfo(name)
    info.pax_headers = headers
    return info.tobuf(tarfile.PAX_FORMAT)


PASSED_OVER = {
    'a symbolic link': (entry('b', type=tarfile.SYMTYPE, linkname='/etc/passwd'), 'links, devices'),
    'a hard link': (entry('b', type=tarfile.LNKTYPE, linkname='a.png'), 'links, devices'),
    'a device': (entry('b', type=tarfile.CHRTYPE), 'links, devices'),
    'a FIFO': (entry('b', type=tarfile.FIFOTYPE), 'links, devices'),
    'a sparse file': (pax('b', SPARSE), 'links, devices'),
    'an absolute name': (entry('/etc/passwd'), 'lead out'),
    'a name with ..': (entry('x/../../y.png'), 'lead out'),
    'a pax name with ..': (pax('b', {'path': '../b'}), 'lead out'),
    'a pax name with NUL': (pax('b', {'path': 'a\0b'}), 'lead out'),
    'a name without letters': (entry('x/.'), 'lead out'),
    'a name that comes again': (entry('a.png', size=0), 'come again'),
}


@pytest.mark.parametrize('case', PASSED_OVER)
def test_what_is_passed_over_and_told(case: str, tmp_path: Path) -> None:
    member, reason = PASSED_OVER[case]
    (tmp_path / 'x.tar').write_bytes(GOOD + member + END)
    archive = open_archive(str(tmp_path / 'x.tar'))
    assert list(archive) == ['a.png']
    ((_, told, where),) = archive.remarks
    assert reason in told
    assert where.startswith(str(tmp_path / 'x.tar'))


def test_ends(tmp_path: Path) -> None:
    for number, (end, reason) in enumerate([(b'', 'without a mark'), (END + GOOD + END, 'joined'), (END, None)]):
        path = tmp_path / f'{number}.tar'
        path.write_bytes(GOOD + end)
        assert [told for _, told, _ in open_archive(str(path)).remarks if reason and reason in told] or reason is None
    assert not open_archive(str(path)).remarks


def negative_size() -> bytes:
    """CVE-2025-8194: a header that leads back to itself."""
    header = bytearray(entry('b', size=0))
    header[124:136] = b'\xff' * 10 + (-1024 & 0xFFFF).to_bytes(2, 'big')
    header[148:156] = b' ' * 8
    header[148:156] = b'%06o\0 ' % sum(header)
    return bytes(header)


DAMAGED = {
    'cut in a member': GOOD + entry('b', size=5000) + b'abc',
    'cut in a header': GOOD + entry('b')[:100],
    'a member beyond the end': GOOD + entry('b', size=10**12),
    'garbage between members': GOOD + b'x' * 512 + GOOD + END,
    'a header that leads back': GOOD + negative_size() + END,
    'a long name of a gigabyte': GOOD + entry('b', type=tarfile.GNUTYPE_LONGNAME, size=1 << 30) + bytes(4096),
    'a pax size beyond the end': GOOD + pax('b', {'size': '99999999'}) + END,
    'a pax size that is no number': GOOD + pax('b', {'GNU.sparse.map': 'x', 'GNU.sparse.size': 'y'}) + END,
    'no archive': b'hello' * 1000,
    'empty': b'',
    'compressed': b'\x1f\x8b\x08' + bytes(600),
}


@pytest.mark.parametrize('case', DAMAGED)
def test_damaged_archives_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    path = tmp_path / 'x.tar'
    path.write_bytes(DAMAGED[case])
    with pytest.raises(AnnotationError, match=r'x\.tar: (cut off or damaged|no tar archive).*byte [\d,]+ of') as raised:
        open_archive(str(path))
    assert '\n' not in str(raised.value)
    with pytest.raises(BrokenSampleError, match=r'x\.tar'):
        LoadImage()(dict(img_path=f'{path}/a.png'))


def test_an_empty_archive_has_no_members(tmp_path: Path) -> None:
    (tmp_path / 'x.tar').write_bytes(bytes(10240))
    assert list(open_archive(str(tmp_path / 'x.tar'))) == []


def test_a_large_archive_is_not_read_whole(tmp_path: Path) -> None:
    """Only headers are: contents of 32 GB that take no room on the disk."""
    path = tmp_path / 'x.tar'
    with path.open('wb') as file:
        file.write(entry('a.png', size=1 << 35))
        file.seek(1 << 35, io.SEEK_CUR)
        file.write(GOOD + END)
    assert regular_file_size(f'{path}/a.png') == 1  # the later one
    path.unlink()
