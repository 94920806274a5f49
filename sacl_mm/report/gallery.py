"""What both models retrieve for the same queries."""

from collections import Counter
from dataclasses import dataclass

import torch

from sacl_mm.report.evaluated_run import EvaluatedRun
from sacl_mm.report.marks import Mark
from sacl_mm.report.validation import Validation

TOP = 5


@dataclass
class Query:
    """`found`: run -> the TOP results (index and mark), best first; `true`: how many of all candidates are true."""

    index: int
    true: int
    found: dict[str, list[tuple[int, Mark]]]


def evenly_spaced(total: int, number: int) -> list[int]:
    """`number` indices in the middle of equal parts of 0 .. total - 1, and no other choice."""
    return sorted({(2 * k + 1) * total // (2 * number) for k in range(number)})


def caption_queries(runs: dict[str, EvaluatedRun], validation: Validation, texts: list[int]) -> list[Query]:
    best = {name: _best(run.text_feature_TE[texts] @ run.image_feature_NE.t()) for name, run in runs.items()}
    return [
        Query(
            text,
            int(validation.relevant_NT[:, text].sum()),
            {name: [(i, validation.mark(i, text)) for i in rows[row]] for name, rows in best.items()},
        )
        for row, text in enumerate(texts)
    ]


def image_queries(runs: dict[str, EvaluatedRun], validation: Validation, images: list[int]) -> list[Query]:
    best = {name: _best(run.image_feature_NE[images] @ run.text_feature_TE.t()) for name, run in runs.items()}
    return [
        Query(
            image,
            int(validation.relevant_NT[image].sum()),
            {name: [(t, validation.mark(image, t)) for t in rows[row]] for name, rows in best.items()},
        )
        for row, image in enumerate(images)
    ]


def count_marks(queries: list[Query], run: str) -> dict[Mark, float]:
    """Share of each mark among all results, in percent."""
    counts = Counter(mark for query in queries for _, mark in query.found[run])
    return {mark: 100 * counts[mark] / counts.total() for mark in Mark}


def _best(scores_QM: torch.Tensor) -> list[list[int]]:
    return scores_QM.topk(min(TOP, scores_QM.shape[1]), dim=1).indices.tolist()
