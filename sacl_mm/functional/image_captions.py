"""The captions of an image."""

from collections.abc import Iterable
from typing import NamedTuple


class ImageCaptions(NamedTuple):
    """An image's captions with their ids."""

    image_id: int
    text_ids: list[int]
    texts: list[str]


def of_each_image(captions: Iterable[ImageCaptions]) -> list[ImageCaptions]:
    """Each image once with all its captions, each once, where a data set may have an item for every caption."""
    merged: dict[int, dict[int, str]] = {}
    for image_id, text_ids, texts in captions:
        merged.setdefault(image_id, {}).update(zip(text_ids, texts, strict=True))
    return [ImageCaptions(image_id, list(known), list(known.values())) for image_id, known in merged.items()]
