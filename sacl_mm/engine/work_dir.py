"""One training, one work directory."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sacl_mm.engine.checkpoint_files import files_of_a_run
from sacl_mm.user_error import UserError


@contextmanager
def locked(work_dir: str | os.PathLike) -> Iterator[None]:
    """Keeps other trainings out of a directory; the system lets go of it however the process ends.

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
        yield


def check_overwritable(work_dir: str | os.PathLike, *needed: str | None) -> None:
    """Raises UserError if a training that begins anew would delete what it starts from."""
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
