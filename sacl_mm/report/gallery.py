"""What models retrieve for the same queries, and how true it is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

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
    """`true`: how many of all candidates are true, or annotated where that is all that is known; `found`: run -> the `TOP`
    candidates (index and mark), best first."""

    index: int
    true: int
    found: dict[str, list[tuple[int, Mark]]]


def mark_of(images: ValidationImages, image: int, text: int) -> Mark:
    if images.owner_T[text] == image:
        return Mark.ANNOTATED
    if images.relevant_NT is None:
        return Mark.OTHER
    if images.relevant_NT[image, text]:
        return Mark.UNANNOTATED
    return Mark.PARTLY if images.satisfied_share(image, text) >= PARTLY_FROM else Mark.FALSE


def caption_queries(runs: Mapping[str, Retrieval], texts: Sequence[int]) -> list[Query]:
    """Captions searched among images. All runs are of the same validation images."""
    images = next(iter(runs.values())).images
    best = {name: _best(run.text_TE[texts], run.image_NE) for name, run in runs.items()}
    queries = []
    for row, text in enumerate(texts):
        found = {name: [(i, mark_of(images, i, text)) for i in rows[row]] for name, rows in best.items()}
        true = 1 if images.relevant_NT is None else int(images.relevant_NT[:, text].sum())
        queries.append(Query(text, true, found))
    return queries


def image_queries(runs: Mapping[str, Retrieval], asked: Sequence[int]) -> list[Query]:
    """Images searched among captions."""
    images = next(iter(runs.values())).images
    best = {name: _best(run.image_NE[asked], run.text_TE) for name, run in runs.items()}
    queries = []
    for row, image in enumerate(asked):
        found = {name: [(t, mark_of(images, image, t)) for t in rows[row]] for name, rows in best.items()}
        true_T = images.owner_T == image if images.relevant_NT is None else images.relevant_NT[image]
        queries.append(Query(image, int(true_T.sum()), found))
    return queries


def count_marks(queries: Sequence[Query], run: str) -> dict[Mark, float]:
    """Share of each mark among all results, in percent; marks that do not occur are left out."""
    counts = Counter(mark for query in queries for _, mark in query.found[run])
    return {mark: 100 * counts[mark] / counts.total() for mark in Mark if counts[mark]}


def evenly_spaced(total: int, number: int) -> list[int]:
    """`number` indices in the middle of equal parts of 0 .. total - 1, and no other choice."""
    return sorted({(2 * k + 1) * total // (2 * number) for k in range(number)})


def _best(queries_QE: Tensor, candidates_ME: Tensor) -> list[list[int]]:
    """(Q, TOP) indices; in parts, for there are many captions."""
    top = min(TOP, len(candidates_ME))
    return [row for part in queries_QE.split(1024) for row in (part @ candidates_ME.t()).topk(top).indices.tolist()]
