"""The captions of an image."""

from collections.abc import Iterable
from typing import NamedTuple

from sacl_mm.user_error import UserError, printable


class ImageCaptions(NamedTuple):
    """An image's captions with their ids."""

    image_id: int
    text_ids: list[int]
    texts: list[str]


def of_each_image(captions: Iterable[ImageCaptions]) -> list[ImageCaptions]:
    """Each image once with all its captions, each once, where a data set may have an item for every caption.

    Raises:
        UserError: an id stands for two captions.
    """
    merged: dict[int, dict[int, str]] = {}
    owners: dict[int, int] = {}
    for image_id, text_ids, texts in captions:
        known = merged.setdefault(image_id, {})
        for text_id, text in zip(text_ids, texts, strict=True):
            if known.setdefault(text_id, text) != text or owners.setdefault(text_id, image_id) != image_id:
                raise UserError(
                    f'text_id {text_id} stands for two captions, one is {printable(text)!r}: policies that read evidence of '
                    'captions need ids of their own. Of two files about the same images make one, ann_file=[FIRST, SECOND]'
                )
    return [ImageCaptions(image_id, list(known), list(known.values())) for image_id, known in merged.items()]
