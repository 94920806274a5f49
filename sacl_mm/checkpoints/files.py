"""Checkpoint files as data. This is the only place where the project reads a file of PyTorch or of safetensors."""

import os
import re
import zipfile
from typing import Any

import safetensors.torch
import torch

from sacl_mm.user_error import UserError, printable

_ZIP = b'PK\x03\x04'
_DIRECTORY = 0x10  # MS-DOS's attribute in a zip archive
_UNSUPPORTED = re.compile(r'Unsupported (?:global: GLOBAL (\S+)|operand \d+)')
# What other files begin with, and what to do about it.
_OTHERS = {
    b'version https://git-lfs': 'is a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`',
    b'<': 'is a web page or XML, not a checkpoint: was it downloaded from the right address?',
    b'\x1f\x8b': 'is compressed with gzip: unpack it first',
    b'\x89HDF': 'is an HDF5 file (of Keras or TensorFlow), not a checkpoint of PyTorch',
}


class CheckpointError(UserError, ValueError):
    """A checkpoint that cannot be read as data, or whose content is not what it should be; the message names file and fix."""


def read_plain(path: str | os.PathLike, what: str = 'checkpoint', in_place: bool = False, verify: bool = True) -> Any:
    """What a file of `torch.save` or of safetensors holds, on the CPU. No code in it is run.

    Both of PyTorch's formats are read. Today's is a zip archive, whose checksums `torch.load` ignores; they are compared here.
    The older one (before 1.6) has none: only a truncated file is noticed. Neither has safetensors, but its header must fit
    the file. TorchScript archives hold programs and are refused.

    Args:
        what: the role of the file, for messages.
        in_place: leave tensors on the disk until they are looked at, which only today's format can.
        verify: compare the checksums, at about 2 GB/s. False is for a file that is only peeked at.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, or no such file, or holds more than tensors and plain values.
    """
    path = os.fspath(path)
    try:
        return _read(path, in_place, verify)
    except FileNotFoundError as error:
        raise FileNotFoundError(printable(f"{what} '{path}' {error}")) from None
    except CheckpointError as error:
        raise CheckpointError(f"{what} '{path}' {error}") from error.__cause__


def verify_checkpoint(path: str | os.PathLike, what: str = 'checkpoint') -> None:
    """Raises as `read_plain` unless the file is whole and can be read as data; its tensors stay on the disk."""
    read_plain(path, what, in_place=True)


def _read(path: str, in_place: bool, verify: bool) -> Any:
    start = _beginning(path)
    if path.endswith('.safetensors') and start[8:9] != b'{':
        raise CheckpointError('is not a safetensors file, whatever its name says')
    if start.startswith(_ZIP):
        _check_archive(path, verify)
    try:
        if start[8:9] == b'{':  # after the length of the header
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location='cpu', weights_only=True, mmap=in_place and start.startswith(_ZIP))
    except Exception as error:  # garbage that is unpickled raises any
        raise CheckpointError(_reason(error)) from error


def _beginning(path: str) -> bytes:
    """The first bytes of the file, of which there must be some."""
    if not os.path.exists(path):
        link = f': it is a link to {os.readlink(path)}, which is not there' if os.path.islink(path) else ''
        raise FileNotFoundError(f'does not exist{link}')
    if not os.path.isfile(path):  # opening a pipe would wait for ever
        raise CheckpointError('is a folder, not a file' if os.path.isdir(path) else 'is no regular file')
    try:
        with open(path, 'rb') as file:
            start = file.read(32)
    except OSError as error:
        raise CheckpointError(f'cannot be opened: {error.strerror}') from error
    if not start:
        raise CheckpointError('is empty')
    for sign, meaning in _OTHERS.items():
        if start.startswith(sign):
            raise CheckpointError(meaning)
    return start


def _check_archive(path: str, verify: bool) -> None:
    """Raises CheckpointError unless the zip archive is one of `torch.save`, which compresses nothing, and whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, os.path.getsize(path))
            # All checksums are 0 after `torch.serialization.set_crc32_options(False)`.
            damaged = archive.testzip() if verify and any(entry.CRC for entry in entries) else None
    except CheckpointError:
        raise
    except Exception as error:  # a damaged directory raises any
        raise CheckpointError(f'is truncated or damaged ({_first_line(error)}): copy or download it again') from error
    if damaged is not None:
        raise CheckpointError(f'is damaged (the checksum of {damaged} differs): copy or download it again')


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    names = [entry.filename for entry in entries]
    if any(name.endswith('/constants.pkl') for name in names):
        raise CheckpointError(
            'is a TorchScript archive, which holds a program: take the weights alone, as model.safetensors or a state dict '
            "(of OpenAI's CLIP: Hugging Face's openai/clip-vit-base-patch16 and so on have a model.safetensors)"
        )
    if not any(name.endswith('/data.pkl') for name in names):
        inside = f': it holds {", ".join(names[:3])}{", ..." if len(names) > 3 else ""}; unpack it' if names else ''
        raise CheckpointError(f'is a zip archive, but not a checkpoint of PyTorch{inside}')
    if any(entry.external_attr & _DIRECTORY for entry in entries):  # PyTorch would take memory as it is for the content
        raise CheckpointError('is damaged (an entry of the archive is marked as a folder): copy or download it again')
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > size or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(
            f'is a compressed archive ({size:,} bytes that unpack to {unpacked:,}); PyTorch writes none: save it anew'
        )


def _reason(error: Exception) -> str:
    """Without PyTorch's advice to load the file with the code in it."""
    unsupported = _UNSUPPORTED.search(str(error))
    if unsupported and unsupported[1]:
        return (
            f'holds more than tensors and plain values ({unsupported[0]}), which could run code; if you trust its origin, '
            'load it yourself and save its state dict alone (trainings write plain files with PlainCheckpointHook)'
        )
    detail = unsupported[0] if unsupported else _first_line(error)
    if '.tar' in detail:
        detail = 'a tar archive, or only zeros'
    return f'cannot be read as data ({detail}): it is no checkpoint, or truncated or damaged'


def _first_line(error: Exception) -> str:
    telling = isinstance(error, RuntimeError | zipfile.BadZipFile | safetensors.SafetensorError)
    lines = str(error).splitlines() if telling else []
    return (lines or [type(error).__name__])[0].split('. ')[0]
