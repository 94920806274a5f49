"""The state of the code that a run is made with."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from run_config import ROOT

# What a training can depend on.
_CODE = ('sacl_mm', 'configs', 'models', 'tools', 'projects', ':!*.jsonl', ':!*.md', ':!projects/*/results/*')


@dataclass(frozen=True)
class Checkout:
    commit: str | None
    changed: tuple[str, ...]

    @property
    def problem(self) -> str | None:
        """Why a record would not tell what made it."""
        if self.commit is None:
            return 'this is no git checkout, so records cannot name a commit: --dirty runs all the same'
        if self.changed:
            return f'uncommitted changes in {", ".join(self.changed[:3])}: commit them first, or give --dirty'
        return None


def checkout(root: Path = ROOT) -> Checkout:
    """Of the repository; documents, tests and records do not count as changes."""
    commit = _git(root, 'rev-parse', '--short=12', 'HEAD')
    if commit is None:
        return Checkout(None, ())
    status = _git(root, 'status', '--porcelain', '--untracked-files=all', '--', *_CODE) or ''
    return Checkout(commit.strip(), tuple(line[3:] for line in status.splitlines()))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        return subprocess.run(['git', '-C', str(root), *arguments], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
