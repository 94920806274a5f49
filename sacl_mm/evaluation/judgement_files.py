"""Human judgements of whether a caption describes an image: the two files that come with Flickr8k.

Shapes: P judged pairs, R ratings of each. Source: Hodosh, Young and Hockenmaier, JAIR 47 (2013).
"""

import codecs
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError


@dataclass(frozen=True)
class Judgements:
    """Judged pairs of an image's name and a caption (the name of the image that it was written for, its number).

    `confirmed_P` tells the pairs that humans find true, `report` which lines were skipped.
    """

    images: list[str]
    captions: list[tuple[str, int]]
    ratings_PR: NDArray
    confirmed_P: NDArray
    report: ReadingReport


def read_expert(path: str, skip_bad_lines: bool = False) -> Judgements:
    """ExpertAnnotations.txt: `image.jpg<TAB>caption_image.jpg#k<TAB>r1<TAB>r2<TAB>r3`, ratings 1 (unrelated) ... 4.

    Confirmed is what has a mean of 3 or more (3: the caption describes the image with minor mistakes).

    With `skip_bad_lines`, lines that are not of this form, or not UTF-8, are left out and counted.

    Raises:
        FileNotFoundError, AnnotationError: there is no such file; a line of it, named, is not of this form.
    """

    def ratings(fields: list[str]) -> list[float]:
        first, second, third = (int(field) for field in fields)
        if not all(1 <= rating <= 4 for rating in (first, second, third)):
            raise ValueError
        return [first, second, third]

    images, captions, ratings_PR, report = _read(path, ratings, 'three ratings of 1 to 4', skip_bad_lines)
    return Judgements(images, captions, ratings_PR, ratings_PR.mean(axis=1) >= 3, report)


def read_crowdflower(path: str, skip_bad_lines: bool = False) -> Judgements:
    """CrowdFlowerAnnotations.txt: `image.jpg<TAB>caption_image.jpg#k<TAB>fraction of yes<TAB>yes<TAB>no`.

    Confirmed is what more than half said yes to.

    Raises:
        FileNotFoundError, AnnotationError: as `read_expert`.
    """

    def ratings(fields: list[str]) -> list[float]:
        first, yes, no = fields
        fraction, _, _ = float(first), int(yes), int(no)
        if not 0 <= fraction <= 1:
            raise ValueError
        return [fraction]

    images, captions, fraction_P1, report = _read(path, ratings, 'a fraction of 0 to 1 and two counts', skip_bad_lines)
    return Judgements(images, captions, fraction_P1, fraction_P1[:, 0] > 0.5, report)


def _read(
    path: str, ratings: Callable[[list[str]], list[float]], columns: str, skip_bad_lines: bool
) -> tuple[list[str], list[tuple[str, int]], NDArray, ReadingReport]:
    if not os.path.exists(path):
        raise FileNotFoundError(f'the file of human judgements {path} does not exist')
    if not os.path.isfile(path):
        raise AnnotationError(f'{path}: expected a file of human judgements, this is a folder or a device')
    report = ReadingReport(path)
    rows = []
    with open(path, 'rb') as file:
        for number, line in enumerate(file, start=1):
            try:
                rows.append(_row(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, ratings))
            except ValueError as error:
                is_text = not isinstance(error, UnicodeDecodeError)
                if skip_bad_lines:
                    report.skip('malformed lines' if is_text else 'lines that are not UTF-8', f'{path}:{number}')
                    continue
                got = f'got {line.decode(errors="replace").rstrip()[:80]!r}'
                raise AnnotationError(
                    f'{path}:{number}: expected, divided by tabs, image.jpg, caption_image.jpg#k, {columns}; '
                    + (got if is_text else f'{got}, which is not UTF-8')
                    + '. skip_bad_lines=True leaves such lines out and counts them'
                ) from None
    if not rows:
        raise AnnotationError(f'{path} holds no judgement')
    images, captions, values = (list(column) for column in zip(*rows, strict=True))
    report.read['judgements'] = len(rows)
    for image, caption in _repeated(zip(images, captions, strict=True)):
        report.notice('pairs that are judged again', f'{path}: {image}, {caption[0]}#{caption[1]}')
    return images, captions, np.array(values, dtype=np.float64), report


def _row(line: bytes, ratings: Callable[[list[str]], list[float]]) -> tuple[str, tuple[str, int], list[float]]:
    """A judged pair; ValueError if the line is not of the form."""
    image, caption, *fields = line.decode().strip().split('\t')
    owner, _, place = caption.rpartition('#')
    return image, (owner, int(place)), ratings(fields)


def _repeated(pairs: Iterable[tuple[str, tuple[str, int]]]) -> Iterator[tuple[str, tuple[str, int]]]:
    return (pair for pair, count in Counter(pairs).items() for _ in range(count - 1))
