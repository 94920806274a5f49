"""What a reader of annotation files did with them, so that nothing is lost without a word."""

import logging
from collections import Counter
from dataclasses import dataclass, field

from mmengine.logging import print_log

from sacl_mm.user_error import printable

_MAX_EXAMPLES = 3


@dataclass
class Remark:
    """How often something was met, and where first."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


class ReadingReport:
    """What was read, and per reason how often something was

    * repaired: read, but not as it stands in the file;
    * skipped: left out;
    * noticed: read as it stands, though it may be a mistake.

    Args:
        source: the files, for the log.
    """

    def __init__(self, source: str = '') -> None:
        self.source = source
        self.read: Counter[str] = Counter()
        self.repaired: dict[str, Remark] = {}
        self.skipped: dict[str, Remark] = {}
        self.noticed: dict[str, Remark] = {}

    def repair(self, reason: str, where: str) -> None:
        """Count something repaired; `reason` names its kind in the plural, `where` is a file and line, an entry or a name."""
        _count(self.repaired, reason, where)

    def skip(self, reason: str, where: str) -> None:
        """Count something left out."""
        _count(self.skipped, reason, where)

    def notice(self, reason: str, where: str) -> None:
        """Count something that may be a mistake."""
        _count(self.noticed, reason, where)

    def lines(self) -> list[str]:
        """'12 images, 60 captions read', then a line per reason: 'skipped, images without a caption: 2 (a.jpg, b.jpg)'."""
        lines = [', '.join(f'{count:,} {what}' for what, count in self.read.items()) + ' read'] if self.read else []
        for kind in ('repaired', 'skipped', 'noticed'):
            for reason, remark in getattr(self, kind).items():
                examples = ', '.join(remark.examples) + (', ...' if remark.count > len(remark.examples) else '')
                lines.append(printable(f'{kind}, {reason}: {remark.count:,} ({examples})'))
        return lines

    def log(self) -> None:
        """One message; a warning if anything was repaired or skipped."""
        level = logging.WARNING if self.repaired or self.skipped else logging.INFO
        source = f'{printable(self.source)}: ' if self.source else ''
        print_log(source + '; '.join(self.lines()), logger='current', level=level)


def _count(remarks: dict[str, Remark], reason: str, where: str) -> None:
    remark = remarks.setdefault(reason, Remark())
    remark.count += 1
    if len(remark.examples) < _MAX_EXAMPLES:
        remark.examples.append(where)
