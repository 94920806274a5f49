"""What is said of a sample that cannot be used."""

from sacl_mm.user_error import printable


class BrokenSampleError(ValueError):
    """A sample whose image cannot be read or that has no caption left; the message names the file and the reason.

    Args:
        message: for the reader.
        name: the file; it is known by this name in `ImageTextDataset.broken`.
    """

    def __init__(self, message: str, name: str = '') -> None:
        super().__init__(printable(message))  # a data loader's worker passes on only the message
        self.name = name or message
