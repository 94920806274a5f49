"""Pre-trained vision-language models by name: of Hugging Face's transformers, or of open_clip.

`pretrained` is a name on the Hugging Face hub or a folder of transformers (`openai/clip-vit-base-patch32`), or 'open_clip:'
and a model of open_clip with a tag of weights or a checkpoint file (`open_clip:ViT-B-32/laion2b_s34b_b79k`,
`open_clip:ViT-B-32/my/checkpoint.pt`, `open_clip:hf-hub:ORGANISATION/NAME`, `open_clip:local-dir:FOLDER`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import NamedTuple

from sacl_mm.user_error import UserError

_PREFIX = 'open_clip:'
_SCHEMAS = ('hf-hub:', 'local-dir:')


class OpenClipName(NamedTuple):
    """A model of open_clip."""

    model: str
    """As in `open_clip.list_models()`, or with a schema that names weights, too ('hf-hub:', 'local-dir:')."""
    weights: str | None
    """A tag of `open_clip.list_pretrained()` or a file; None with a schema, or for an architecture alone."""


def open_clip_name(pretrained: str) -> OpenClipName | None:
    """What comes after 'open_clip:'; None for a model of transformers."""
    if not pretrained.startswith(_PREFIX):
        return None
    name = pretrained.removeprefix(_PREFIX)
    if name.startswith(_SCHEMAS):
        return OpenClipName(name, None)
    model, _, weights = name.partition('/')
    return OpenClipName(model, weights or None)


def import_open_clip() -> ModuleType:
    """Raises UserError if it is not installed."""
    try:
        import open_clip
    except ModuleNotFoundError as error:
        raise UserError(f'models of open_clip need open_clip ({error}): pip install -e .[open_clip]') from error
    return open_clip


@contextmanager
def reading(pretrained: str, what: str) -> Iterator[None]:
    """Raises UserError in place of what a library raises while it reads `what` of a pre-trained model."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of whatever kind a library, its format or the network has
        first = next(iter(str(error).strip().splitlines()), '')
        raise UserError(
            f"pretrained='{pretrained}': cannot read its {what} ({type(error).__name__}: {first}). Give a folder of "
            'transformers, a name on the Hugging Face hub (which must be reachable, or have been before), or '
            "'open_clip:MODEL/WEIGHTS'"
        ) from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """No library logs a warning meanwhile, for those that a user can do nothing about."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
