"""Checkpoint files that are damaged, or something else: each is refused in one line that names it, wherever it is given."""

import gzip
import os
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file
from torch import nn

import sacl_mm.engine  # noqa: F401  (MMEngine then reads files as the project does)
from sacl_mm.checkpoints import CheckpointError, read_plain, read_state_dict, verify_checkpoint
from sacl_mm.datasets import CachedFeatures
from sacl_mm.engine.checks.weights import check_checkpoint, check_pretrained_parts
from sacl_mm.engine.runner.partial_scores import PartialScores
from sacl_mm.layers.bert_checkpoint import load_bert
from sacl_mm.models.reference import FrozenReference
from sacl_mm.user_error import UserError

torch.manual_seed(0)
STATE = {'layer.weight': torch.randn(8, 8), 'layer.bias': torch.randn(8), 'half': torch.randn(5).half()}
CHECKPOINT = dict(state_dict=STATE, meta=dict(epoch=3, iter=12))


def saved(path: Path, layout: str) -> Path:
    if layout == 'safetensors':
        save_file(STATE, path)
    else:
        torch.save(CHECKPOINT, path, _use_new_zipfile_serialization=layout == 'zip')
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {layout: saved(folder / layout, layout).read_bytes() for layout in ('zip', 'old', 'safetensors')}


def same(read) -> bool:
    state = read.get('state_dict', read)
    return state.keys() == STATE.keys() and all(torch.equal(state[key], value) for key, value in STATE.items())


# ------------------------------------------------------------------------------------------ faults, at every place
def rezipped(path: Path, compression: int, change=lambda name, content: content) -> None:
    with zipfile.ZipFile(saved(path, 'zip')) as archive:
        content = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def a_torchscript_archive(path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(path)


def an_archive_that_unpacks_to_much(path: Path) -> None:
    rezipped(path, zipfile.ZIP_DEFLATED, lambda name, data: bytes(64 << 20) if name.endswith('data/0') else data)


def an_archive_that_claims_more_than_it_has(path: Path) -> None:
    content = bytearray(saved(path, 'zip').read_bytes())
    entry = content.rindex(b'PK\x01\x02', 0, content.rindex(b'/data/0'))
    content[entry + 20 : entry + 28] = 2 * (1 << 30).to_bytes(4, 'little')  # compressed and not
    path.write_bytes(content)


def an_entry_that_is_marked_as_a_folder(path: Path) -> None:
    content = bytearray(saved(path, 'zip').read_bytes())
    entry = content.rindex(b'PK\x01\x02', 0, content.rindex(b'/data/0'))
    content[entry + 38] |= 0x10
    path.write_bytes(content)


def a_changed_byte(path: Path) -> None:
    content = saved(path, 'zip').read_bytes()
    start = content.index(STATE['layer.weight'].numpy().tobytes())
    path.write_bytes(content[: start + 9] + bytes([content[start + 9] ^ 64]) + content[start + 10 :])


def half(layout: str):
    def write(path: Path) -> None:
        content = saved(path, layout).read_bytes()
        path.write_bytes(content[: len(content) // 2])

    return write


FAULTS = {
    'missing': (lambda path: None, 'does not exist'),
    'a link to nothing': (lambda path: path.symlink_to('nowhere.pth'), 'does not exist: it is a link to nowhere.pth'),
    'a link to itself': (lambda path: path.symlink_to(path), 'does not exist: it is a link to'),
    'a folder': (lambda path: path.mkdir(), 'is a folder, not a file'),
    'a pipe': (os.mkfifo, 'is no regular file'),
    'a device': (lambda path: path.symlink_to('/dev/zero'), 'is no regular file'),
    'zero bytes': (lambda path: path.touch(), 'is empty'),
    'one byte': (lambda path: path.write_bytes(b'P'), 'cannot be read as data'),
    'only zeros': (lambda path: path.write_bytes(bytes(4096)), 'cannot be read as data'),
    'a text': (lambda path: path.write_text('hello there\n' * 40), 'cannot be read as data'),
    'JSON': (lambda path: path.write_text('{"state_dict": {"layer.weight": [1, 2]}}'), 'cannot be read as data'),
    'Markdown': (lambda path: path.write_text('# A title'), 'cannot be read as data'),
    'a web page': (lambda path: path.write_text('<!DOCTYPE html><html>404</html>'), 'is a web page'),
    'a pointer of Git LFS': (
        lambda path: path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n'),
        'is a pointer of Git LFS',
    ),
    'compressed with gzip': (lambda path: path.write_bytes(gzip.compress(b'x' * 99)), 'is compressed with gzip'),
    'HDF5': (lambda path: path.write_bytes(b'\x89HDF\r\n\x1a\n' + bytes(99)), 'is an HDF5 file'),
    'an image': (lambda path: path.write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(99)), 'cannot be read as data'),
    'half of it': (half('zip'), 'is truncated or damaged'),
    "half of it, in PyTorch's older format": (half('old'), 'cannot be read as data'),
    'half of it, safetensors': (half('safetensors'), 'cannot be read as data .*header'),
    'one byte is another': (a_changed_byte, 'is damaged .the checksum of .*data/. differs'),
    'an empty zip archive': (lambda path: zipfile.ZipFile(path, 'w').close(), 'cannot be read as data'),
    'a zip archive of something else': (
        lambda path: rezipped(path, zipfile.ZIP_STORED, lambda name, data: None if 'data.pkl' in name else data),
        'is a zip archive, but not a checkpoint',
    ),
    'a zip archive without tensors': (
        lambda path: rezipped(path, zipfile.ZIP_STORED, lambda name, data: None if 'data/' in name else data),
        'cannot be read as data',
    ),
    'an entry that is marked as a folder': (an_entry_that_is_marked_as_a_folder, 'an entry .* is marked as a folder'),
    'compressed': (lambda path: rezipped(path, zipfile.ZIP_DEFLATED), 'is a compressed archive'),
    'a few KiB that unpack to 64 MiB': (an_archive_that_unpacks_to_much, 'is a compressed archive .* unpack to 67,'),
    'an archive that claims more than it has': (an_archive_that_claims_more_than_it_has, 'is a compressed archive'),
    'a TorchScript archive': (a_torchscript_archive, 'is a TorchScript archive, .* model.safetensors'),
    'a pickled class': (
        lambda path: torch.save(dict(state_dict=Path), path),
        'holds more than tensors and plain values',
    ),
    'a pickled module': (lambda path: torch.save(nn.Linear(2, 2), path), 'holds more than tensors and plain values'),
    'a list': (lambda path: torch.save([STATE], path), 'holds a list|is no file of features'),
    'None': (lambda path: torch.save(None, path), 'holds None|is no file of features'),
    'an empty dict': (lambda path: torch.save({}, path), 'holds an empty dict|is no file of features'),
}


class Part(BaseModule):
    def __init__(self, path: Path) -> None:
        super().__init__(dict(type='Pretrained', checkpoint=str(path)))
        self.layer = nn.Linear(8, 8)


def bert_of(path: Path) -> None:
    folder = path.parent / 'bert'
    folder.mkdir()
    os.replace(path, folder / 'pytorch_model.bin') if os.path.lexists(path) else None
    load_bert(str(folder))


PLACES = {
    'load_from, --resume, test': lambda path: check_checkpoint(path, 'checkpoint'),
    "MMEngine's Runner": lambda path: CheckpointLoader.load_checkpoint(str(path), logger='silent'),
    'init_cfg': lambda path: check_pretrained_parts(Part(path)),
    'reference': lambda path: FrozenReference(nn.Linear(8, 8), str(path)).load(),
    'converters': read_state_dict,
    'cached features': lambda path: CachedFeatures(str(path)),
    'BERT': bert_of,
}


@pytest.mark.parametrize('place', PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(('write', 'message'), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line(tmp_path, write, message, place, request):
    path = tmp_path / 'a.pth'
    write(path)
    is_bert = place is bert_of
    absent = 'missing' in request.node.name or 'link to' in request.node.name
    with pytest.raises((UserError, FileNotFoundError), match='not exist|without' if absent else message) as error:
        place(path)
    text = str(error.value)
    assert ('bert' if is_bert else 'a.pth') in text
    assert '\n' not in text
    assert 'weights_only' not in text  # PyTorch's advice


@pytest.mark.parametrize('verify', [read_plain, verify_checkpoint], ids=['read', 'verified for a resume'])
@pytest.mark.parametrize('fault', [name for name in FAULTS if name not in ('a list', 'None', 'an empty dict')])
def test_reading_and_verifying_agree(tmp_path, verify, fault):
    write, message = FAULTS[fault]
    write(tmp_path / 'a.pth')
    with pytest.raises((CheckpointError, FileNotFoundError), match=message):
        verify(tmp_path / 'a.pth')


@pytest.mark.parametrize('fault', [name for name in FAULTS if 'link' not in name and 'folder' not in name])
def test_partial_scores_that_are_broken_are_made_anew(tmp_path, fault):
    FAULTS[fault][0](tmp_path / 'a.pth')
    assert PartialScores(tmp_path / 'a.pth', 'fingerprint').scores == {}


def test_a_tensor_that_is_too_short_is_refused_when_it_is_read(tmp_path):
    rezipped(tmp_path / 'a.pth', zipfile.ZIP_STORED, lambda name, data: data[:40] if 'data/0' in name else data)
    with pytest.raises(CheckpointError, match=r'record size \(40 bytes\) does not match expected size \(256 bytes'):
        read_plain(tmp_path / 'a.pth')


# -------------------------------------------------------------------------------------------- truncated and changed
@pytest.mark.parametrize('part', range(24))
@pytest.mark.parametrize('layout', ['zip', 'old', 'safetensors'])
def test_a_truncated_file_is_refused(tmp_path, layout, part):
    content = saved(tmp_path / 'a.pth', layout).read_bytes()
    for end in {len(content) * part // 24, len(content) - 1 - part}:
        (tmp_path / 'a.pth').write_bytes(content[:end])
        with pytest.raises(CheckpointError, match=r"^checkpoint '.*a\.pth' (is|cannot|holds) [^\n]*$"):
            verify_checkpoint(tmp_path / 'a.pth')


@pytest.mark.parametrize('in_place', [True, False], ids=['in place', 'in memory'])
@pytest.mark.parametrize('part', range(16))
def test_a_changed_bit_is_found_or_is_none_of_the_content(tmp_path, part, in_place):
    """Padding and dates of the archive may change."""
    path = saved(tmp_path / 'a.pth', 'zip')
    content = path.read_bytes()
    refused = 0
    for place in range(part, len(content), 16 * 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        try:
            assert same(read_plain(path, in_place=in_place)), place
        except CheckpointError as error:
            assert '\n' not in str(error)  # noqa: PT017
            refused += 1
    assert refused


@pytest.mark.parametrize('layout', ['old', 'safetensors'])
@pytest.mark.parametrize('part', range(8))
def test_a_changed_bit_where_there_are_no_checksums_never_crashes(tmp_path, layout, part):
    path = saved(tmp_path / 'a.pth', layout)
    content = path.read_bytes()
    for place in range(part, len(content), 8 * 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        try:
            read_state_dict(path)
        except CheckpointError as error:
            assert '\n' not in str(error)  # noqa: PT017
