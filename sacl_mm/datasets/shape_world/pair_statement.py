"""Statements about a left and a right image, with an exact truth, in groups that the words alone cannot judge.

Every statement is about how many objects match one description in the left image (l) and in the right one (r):

    left l >= 1;  right r >= 1;  both;  neither;  some (at least one image);  one (exactly one image);
    more_left l > r;  more_right l < r;  same l = r;  total l + r = n

A group is one statement and four pairs of images, of which it is true of two: a blind judge is right for half of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sacl_mm.datasets.shape_world.claim import Description, count
from sacl_mm.datasets.shape_world.phrase import NUMBERS, PHRASES, noun_phrase, one_phrase, pick, words_in
from sacl_mm.datasets.shape_world.repaint import sample_paint, sample_scene_with
from sacl_mm.datasets.shape_world.scene import Scene

PAIRS_PER_GROUP = 4
MAX_PAIR_COUNT = 3  # in each of the two images
_TOTALS = (2, 3, 4)

_FORMS: dict[str, Callable[[int, int, int | None], bool]] = {
    'left': lambda left, right, n: left >= 1,
    'right': lambda left, right, n: right >= 1,
    'both': lambda left, right, n: left >= 1 and right >= 1,
    'neither': lambda left, right, n: left == right == 0,
    'some': lambda left, right, n: left >= 1 or right >= 1,
    'one': lambda left, right, n: (left >= 1) != (right >= 1),
    'more_left': lambda left, right, n: left > right,
    'more_right': lambda left, right, n: left < right,
    'same': lambda left, right, n: left == right,
    'total': lambda left, right, n: left + right == n,
}
FORMS = tuple(_FORMS)
# {} is one such object, or several of them from 'more_left' on.
_SENTENCES = {
    'left': ('the left picture shows {}', 'there is {} in the left picture', 'the picture on the left has {}'),
    'right': ('the right picture shows {}', 'there is {} in the right picture', 'the picture on the right has {}'),
    'both': ('both pictures show {}', 'there is {} in both pictures', 'each of the two pictures has {}'),
    'neither': ('neither picture shows {}', 'neither of the two pictures has {}'),
    'some': ('at least one picture shows {}', 'at least one of the two pictures has {}'),
    'one': ('exactly one picture shows {}', 'exactly one of the two pictures has {}', 'only one picture has {}'),
    'more_left': (
        'the left picture shows more {} than the right picture',
        'there are more {} in the left picture than in the right one',
        'the right picture has fewer {} than the left one',
    ),
    'more_right': (
        'the right picture shows more {} than the left picture',
        'there are more {} in the right picture than in the left one',
        'the left picture has fewer {} than the right one',
    ),
    'same': (
        'both pictures have the same number of {}',
        'there are as many {} in the left picture as in the right one',
    ),
    'total': ('there are exactly {} in the two pictures', 'the two pictures show exactly {} in total'),
}


@dataclass(frozen=True)
class PairStatement:
    """`number` is that of the form 'total', and None otherwise.

    Raises:
        ValueError: for an unknown form, or a number where there is none.
    """

    form: str
    description: Description
    number: int | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f'form is one of {FORMS}, got {self.form!r}')
        if (self.form == 'total') != (self.number is not None):
            raise ValueError(f"the form 'total' and no other has a number, got {self.form!r} and {self.number}")
        if self.number is not None and self.number not in _TOTALS:
            raise ValueError(f'number is one of {_TOTALS}, got {self.number}')


def is_true(statement: PairStatement, left: Scene, right: Scene) -> bool:
    """Whether the statement holds of the two images."""
    return _is_true(statement, count(statement.description, left), count(statement.description, right))


def _is_true(statement: PairStatement, left: int, right: int) -> bool:
    return _FORMS[statement.form](left, right, statement.number)


@dataclass(frozen=True)
class PairGroup:
    """One statement about several pairs of scenes; `labels` says of which it is true."""

    statement: PairStatement
    text: str
    pairs: tuple[tuple[Scene, Scene], ...]
    labels: tuple[bool, ...]


def sample_group(rng: np.random.Generator) -> PairGroup:
    """The statement is drawn before the images, which are made so that it is true of two pairs and false of two.

    The counts in a pair are drawn from all that give its label, each as likely.
    """
    form = pick(FORMS, rng)
    statement = PairStatement(form, sample_paint(rng), pick(_TOTALS, rng) if form == 'total' else None)
    labels = tuple(bool(label) for label in rng.permutation(PAIRS_PER_GROUP) % 2)
    numbers = range(MAX_PAIR_COUNT + 1)
    cells = [(left, right) for left in numbers for right in numbers]
    pairs = []
    for label in labels:
        left, right = pick(tuple(cell for cell in cells if _is_true(statement, *cell) == label), rng)
        one, other = (sample_scene_with(statement.description, number, rng) for number in (left, right))
        pairs.append((one, other))
    return PairGroup(statement, word_statement(statement, rng), tuple(pairs), labels)


def word_statement(statement: PairStatement, rng: np.random.Generator) -> str:
    """The statement in lower-case English without punctuation; synonyms and sentence are drawn from `rng`."""
    sentence = pick(_SENTENCES[statement.form], rng)
    if statement.form in ('more_left', 'more_right', 'same'):
        return sentence.format(noun_phrase(statement.description, rng, plural=True))
    if statement.number is not None:
        return sentence.format(f'{NUMBERS[statement.number]} {noun_phrase(statement.description, rng, plural=True)}')
    return sentence.format(one_phrase(statement.description, rng, may_use_with=True))


# Every word that a statement can contain.
STATEMENT_WORDS = tuple(
    sorted(
        words_in((*PHRASES, *(text for texts in _SENTENCES.values() for text in texts), *(NUMBERS[n] for n in _TOTALS)))
    )
)
