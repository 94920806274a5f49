"""Human judgements of whether a caption describes a picture: the two files that come with Flickr8k.

Shapes: P judged pairs, R ratings of each. Source: Hodosh, Young and Hockenmaier, JAIR 47 (2013).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Judgements:
    """Judged pairs of a picture's name and a caption (the name of the picture that it was written for, its number).

    `confirmed_P` tells the pairs that humans find true.
    """

    images: list[str]
    captions: list[tuple[str, int]]
    ratings_PR: NDArray
    confirmed_P: NDArray


def read_expert(path: str) -> Judgements:
    """ExpertAnnotations.txt: `image.jpg<TAB>caption_image.jpg#k<TAB>r1<TAB>r2<TAB>r3`, ratings 1 (unrelated) ... 4.

    Confirmed is what has a mean of 3 or more (3: the caption describes the picture with minor mistakes).

    Raises:
        FileNotFoundError, ValueError: there is no such file; a line of it, named, is not of this form.
    """

    def ratings(fields: list[str]) -> list[float]:
        first, second, third = (int(field) for field in fields)
        if not all(1 <= rating <= 4 for rating in (first, second, third)):
            raise ValueError
        return [first, second, third]

    images, captions, ratings_PR = _read(path, ratings, 'three ratings of 1 to 4')
    return Judgements(images, captions, ratings_PR, ratings_PR.mean(axis=1) >= 3)


def read_crowdflower(path: str) -> Judgements:
    """CrowdFlowerAnnotations.txt: `image.jpg<TAB>caption_image.jpg#k<TAB>fraction of yes<TAB>yes<TAB>no`.

    Confirmed is what more than half said yes to.

    Raises:
        FileNotFoundError, ValueError: as `read_expert`.
    """

    def ratings(fields: list[str]) -> list[float]:
        fraction, _, _ = float(fields[0]), int(fields[1]), int(fields[2])
        if len(fields) != 3 or not 0 <= fraction <= 1:
            raise ValueError
        return [fraction]

    images, captions, fraction_P1 = _read(path, ratings, 'a fraction of 0 to 1 and two counts')
    return Judgements(images, captions, fraction_P1, fraction_P1[:, 0] > 0.5)


def _read(
    path: str, ratings: Callable[[list[str]], list[float]], columns: str
) -> tuple[list[str], list[tuple[str, int]], NDArray]:
    if not os.path.exists(path):
        raise FileNotFoundError(f'the file of human judgements {path} does not exist')
    rows = []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, start=1):
            try:
                image, caption, *fields = line.strip().split('\t')
                owner, _, place = caption.rpartition('#')
                rows.append((image, (owner, int(place)), ratings(fields)))
            except (ValueError, IndexError):
                raise ValueError(
                    f'{path}:{number}: expected, divided by tabs, image.jpg, caption_image.jpg#k, {columns}; '
                    f'got {line.rstrip()!r}'
                ) from None
    if not rows:
        raise ValueError(f'{path} holds no judgement')
    images, captions, values = (list(column) for column in zip(*rows, strict=True))
    return images, captions, np.array(values, dtype=np.float64)
