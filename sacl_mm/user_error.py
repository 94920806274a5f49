"""What a tool shows instead of a traceback."""


class UserError(Exception):
    """A mistake in what the user gave; its message is all that needs to be shown."""
