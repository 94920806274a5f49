"""What models retrieve for the same queries, and how true it is."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from torch import Tensor

from sacl_mm.report.retrieval import Retrieval, ValidationImages

TOP = 5
PARTLY_FROM = 0.5


class Mark(Enum):
    """How true a retrieved pair is: symbol, word, and what it means. Told apart by symbol and word, not by colour alone."""

    ANNOTATED = ('✓', 'annotated', 'true: the caption was written for this image')
    UNANNOTATED = ('+', 'also true', 'true, though the caption was written for another image')
    PARTLY = ('~', 'partly', 'at least half of what the caption says is true')
    FALSE = ('✗', 'false', 'less than half of what the caption says is true')
    OTHER = ('·', 'other', 'the caption was written for another image; nobody knows whether it is true')

    def __init__(self, symbol: str, word: str, meaning: str) -> None:
        self.symbol, self.word, self.meaning = symbol, word, meaning

    @property
    def css(self) -> str:
        return self.name.lower()


@dataclass
class Query:
    """`true`: how many of all candidates are true, as far as is known; `found`: run -> the `TOP` candidates (index and mark),
    best first."""

    index: int
    true: int
    found: dict[str, list[tuple[int, Mark]]]


def mark_of(images: ValidationImages, image: int, text: int) -> Mark:
    if images.own_NT[image, text]:
        return Mark.ANNOTATED
    if not images.knows_truth:
        return Mark.OTHER
    if images.relevant_NT[image, text]:
        return Mark.UNANNOTATED
    return Mark.PARTLY if images.satisfied_share(image, text) >= PARTLY_FROM else Mark.FALSE


def caption_queries(runs: Mapping[str, Retrieval], texts: Sequence[int]) -> list[Query]:
    """Captions searched among images. All runs are of the same validation images."""
    images = next(iter(runs.values())).images
    best = {name: _best(run.text_TE[texts], run.image_NE) for name, run in runs.items()}
    return _queries(best, texts, images.relevant_NT.sum(0), lambda text, image: mark_of(images, image, text))


def image_queries(runs: Mapping[str, Retrieval], asked: Sequence[int]) -> list[Query]:
    """Images searched among captions."""
    images = next(iter(runs.values())).images
    best = {name: _best(run.image_NE[asked], run.text_TE) for name, run in runs.items()}
    return _queries(best, asked, images.relevant_NT.sum(1), lambda image, text: mark_of(images, image, text))


def count_marks(queries: Sequence[Query], run: str) -> dict[Mark, float]:
    """Share of each mark among all results, in percent; marks that do not occur are left out."""
    counts = Counter(mark for query in queries for _, mark in query.found[run])
    return {mark: 100 * counts[mark] / counts.total() for mark in Mark if counts[mark]}


def evenly_spaced(total: int, number: int) -> list[int]:
    """`number` indices in the middle of equal parts of 0 .. total - 1, and no other choice."""
    return sorted({(2 * k + 1) * total // (2 * number) for k in range(number)})


def _best(queries_QE: Tensor, candidates_ME: Tensor) -> list[list[int]]:
    """(Q, TOP) indices, best first."""
    return (queries_QE @ candidates_ME.t()).topk(min(TOP, len(candidates_ME))).indices.tolist()


def _queries(
    best: dict[str, list[list[int]]], asked: Sequence[int], true: np.ndarray, mark: Callable[[int, int], Mark]
) -> list[Query]:
    return [
        Query(i, int(true[i]), {name: [(j, mark(i, j)) for j in rows[row]] for name, rows in best.items()})
        for row, i in enumerate(asked)
    ]
