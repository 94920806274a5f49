"""How true a retrieved pair is, for the eye."""

from enum import Enum

from sacl_mm.datasets.shape_world import Claim, Scene, holds
from sacl_mm.datasets.shape_world.claim import satisfied_share

PARTLY_FROM = 0.5


class Mark(Enum):
    """Style class, symbol, word, and what it means. Told apart by symbol and word, not by colour alone."""

    ANNOTATED = ('annotated', '✓', 'annotated', 'true: the caption was written for this picture')
    UNANNOTATED = ('unannotated', '+', 'also true', 'true, though the caption was written for another picture')
    PARTLY = ('partly', '~', 'partly', 'at least half of what the caption says is true')
    FALSE = ('false', '✗', 'false', 'less than half of what the caption says is true')

    def __init__(self, css: str, symbol: str, word: str, meaning: str) -> None:
        self.css, self.symbol, self.word, self.meaning = css, symbol, word, meaning


def mark_of(claim: Claim, scene: Scene, annotated: bool) -> Mark:
    if annotated:
        return Mark.ANNOTATED
    if holds(claim, scene):
        return Mark.UNANNOTATED
    return Mark.PARTLY if satisfied_share(claim, scene) >= PARTLY_FROM else Mark.FALSE
