"""Says in one line what is wrong with a file, a folder or a disk; other errors of the system are bugs."""

import errno
import os

# What the user can mend.
_HINTS = {
    errno.ENOENT: '',
    errno.ENOTDIR: '',
    errno.EISDIR: '',
    errno.EEXIST: '',
    errno.EACCES: '',
    errno.EPERM: '',
    errno.EROFS: '',
    errno.ENAMETOOLONG: '',
    errno.ELOOP: '',
    errno.EIO: '',
    errno.EFBIG: '',
    errno.ENOSPC: ': free some space',
    errno.EDQUOT: ': free some space',
    errno.EMFILE: ': raise the limit with `ulimit -n`',
}


def file_mistake(error: OSError) -> str | None:
    """What is wrong; None for an error that only a bug explains."""
    if error.errno is None:  # raised in Python, in words
        # From a data loader's worker it comes with its traceback in front.
        return str(error).strip().rpartition('\n')[2] if isinstance(error, FileNotFoundError) else None
    if error.errno not in _HINTS:
        return None
    names = [
        os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes, os.PathLike))
    ]
    files = ' -> '.join(f"'{name}'" for name in names)
    return f'{files + ": " if files else ""}{error.strerror}{_HINTS[error.errno]}'
