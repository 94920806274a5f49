"""What creates a file when it is run: unpickled, or executed as a configuration."""

from pathlib import Path


class Payload:
    """Unpickling it opens the file for writing."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple:
        return open, (self.target, 'w')


def code_for(target: Path) -> str:
    return f"open({str(target)!r}, 'w').close()\n"
