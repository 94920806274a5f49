"""The work directory of a training: complete checkpoints, the newest one, and a lock."""

import fcntl
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from sacl_mm.checkpoints.files import CheckpointError, read_plain, verify_checkpoint
from sacl_mm.user_error import UserError, printable

# MMEngine's names, and that of a checkpoint in the middle of an epoch. `best_...` has no optimizer.
_RESUMABLE = re.compile(r'(epoch|iter|snapshot_iter)_\d+\.pth')
_OF_A_RUN = re.compile(r'((epoch|iter|snapshot_iter)_\d+|best_.+)\.pth|last_checkpoint|last_validated_epoch')


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which is renamed to `path` once it is complete and on the disk.

    Raises:
        UserError: the file cannot be written (a full disk, a folder that is read-only); what was there before still is.
    """
    partial = path.with_name(f'.{path.name}.partial')
    try:
        yield partial
        with partial.open('rb') as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"checkpoint '{path}' cannot be written ({error.strerror or error}); the ones before it are as they were: make "
            'room, then --resume goes on from the newest'
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some network file systems cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def newest_checkpoint(folder: str | os.PathLike, warn: Callable[[str], None]) -> tuple[str, dict[str, Any]] | None:
    """The path and the meta data of the newest readable checkpoint in a folder; files such as `last_checkpoint` are ignored.

    Args:
        warn: is called with a line for each newer one that is broken.

    Raises:
        UserError: there are checkpoints, and none can be read.
    """
    found, broken = [], []
    for path in sorted(Path(folder).glob('*.pth')):
        if not _RESUMABLE.fullmatch(path.name):
            continue
        try:
            meta = meta_of(path)
            found.append(((meta['iter'], meta['epoch']), path, meta))
        except ValueError as error:
            broken.append(str(error))
    for _, path, meta in sorted(found, key=lambda entry: entry[0], reverse=True):
        try:
            verify_checkpoint(path)
        except ValueError as error:
            broken.append(str(error))
            continue
        for line in broken:
            warn(printable(f'{line}; the training goes on from {path.name} instead'))
        return str(path), meta
    if broken:
        raise UserError(f'{"; ".join(broken)}. There is no other to resume from: start anew with --overwrite')
    return None


def check_newest(path: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Raises UserError if a folder holds other checkpoints, newer than this one or of another training, which would get mixed
    with new ones."""
    newest = newest_checkpoint(folder, lambda line: None)
    if newest is not None and not os.path.samefile(newest[0], path):
        raise UserError(
            f"'{path}' is not the newest checkpoint of the work dir '{folder}', which holds {os.path.basename(newest[0])}: "
            'choose another --work-dir for a training that goes on from it'
        )


def meta_of(path: str | os.PathLike) -> dict[str, Any]:
    """A checkpoint's `meta`, read without its tensors.

    Raises:
        FileNotFoundError, CheckpointError: no such file, or none of a training.
    """
    checkpoint = read_plain(path, in_place=True, verify=False)
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if not isinstance(meta, dict) or not all(isinstance(meta.get(name), int) for name in ('epoch', 'iter')):
        raise CheckpointError(f"checkpoint '{path}' does not say after which epoch and iteration it was written")
    if 'optimizer' not in checkpoint:
        raise CheckpointError(
            f"checkpoint '{path}' holds no state of an optimizer: a training may start from it (load_from)"
        )
    return meta


def files_of_a_run(folder: str | os.PathLike) -> list[Path]:
    """The checkpoints of a training, and the small files beside them."""
    return sorted(path for path in Path(folder).glob('*') if _OF_A_RUN.fullmatch(path.name) and path.is_file())


# Data loading workers are forked: one that outlives its killed training by some seconds must not hold the lock.
_locks: set[TextIO] = set()
os.register_at_fork(after_in_child=lambda: [file.close() for file in _locks])


@contextmanager
def locked(work_dir: str | os.PathLike) -> Iterator[None]:
    """Keeps other trainings out of a directory; the operating system releases the lock however the process ends.

    Raises:
        UserError: another process trains there, or the directory cannot be written to.
    """
    path = Path(work_dir, '.lock')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open('a+')
    except OSError as error:
        raise UserError(f"work dir '{work_dir}' cannot be written to ({error.strerror})") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"another training writes to the work dir '{work_dir}' ({file.read().strip() or 'unknown process'}): wait for "
                'it, or choose another --work-dir'
            ) from None
        except OSError:  # a file system without locks
            pass
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        _locks.add(file)
        try:
            yield
        finally:
            _locks.remove(file)


def check_overwritable(work_dir: str | os.PathLike, *needed: str | None) -> None:
    """Raises UserError if a training with `--overwrite` would delete the weights it starts from."""
    for path in filter(None, needed):
        if os.path.exists(path) and Path(path).resolve() in {file.resolve() for file in files_of_a_run(work_dir)}:
            raise UserError(
                f"--overwrite would delete '{path}', from which the training starts: copy it, or choose another --work-dir"
            )


def check_unused(work_dir: str | os.PathLike) -> None:
    """Raises UserError if the directory holds a training's checkpoints."""
    files = [path for path in files_of_a_run(work_dir) if path.suffix == '.pth']
    if files:
        raise UserError(
            f"work dir '{work_dir}' holds a training already ({files[-1].name}): --resume goes on with it, --overwrite begins "
            'anew and deletes its checkpoints, another --work-dir keeps both'
        )
