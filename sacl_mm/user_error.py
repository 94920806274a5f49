"""What a tool shows instead of a traceback.

Messages carry names that come from files: control characters (which a terminal obeys) and lone surrogates (which no file can
be written with) are shown as escapes.
"""

import difflib
import re
from collections.abc import Iterable

# C0 and C1 controls, what turns the direction of writing round, line and paragraph separators, surrogates.
_UNPRINTABLE = re.compile('[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')


def printable(text: object) -> str:
    """One line that is safe on a terminal, in a log and in a file: 'a\\x1b[31mb.jpg' for a name with an escape sequence."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], str(text))


def did_you_mean(name: object, known: Iterable[object], cutoff: float = 0.6) -> str:
    """A hint at the name that was probably meant, or ''."""
    close = difflib.get_close_matches(str(name), list(map(str, known)), n=1, cutoff=cutoff)
    return f"; did you mean '{close[0]}'?" if close else ''


class UserError(Exception):
    """A mistake in what the user gave; its message is all that needs to be shown."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class AnnotationError(UserError, ValueError):
    """An annotation file that cannot be read as it is; the message names the file, the line or entry, and the fix."""


class NonFiniteError(UserError, ValueError):
    """NaN or infinity where a number is needed; the message names what is not finite."""


class EvaluationError(UserError, ValueError):
    """A measure that cannot be taken of a data set; the message names what is missing, and the fix."""


class BrokenSampleError(ValueError):
    """A sample whose image cannot be read or that has no caption left; the message names the file and the reason.

    Args:
        message: for the reader.
        name: the file; it is known by this name in `ImageTextDataset.broken`.
    """

    def __init__(self, message: str, name: str = '') -> None:
        super().__init__(printable(message))  # a data loader's worker passes on only the message
        self.name = name or message
