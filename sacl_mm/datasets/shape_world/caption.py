"""True statements about a scene, and English for them, from a closed vocabulary."""

from bisect import bisect
from collections.abc import Collection
from itertools import accumulate

import numpy as np

from sacl_mm.datasets.shape_world.claim import RELATIONS, Claim, Count, Description, Exists, Pair, count, related
from sacl_mm.datasets.shape_world.phrase import (
    NUMBERS,
    PHRASES,
    RELATION_WORDS,
    noun_phrase,
    one_phrase,
    pick,
    words_in,
)
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, Scene, WorldObject

# Which statements, and how many attributes they fix per object (0, 1, 2, 3, 4 of them).
_KINDS = {'exists': 0.50, 'relation': 0.20, 'pair': 0.18, 'count': 0.12}
_DETAIL = {
    'exists': (0.0, 0.35, 0.40, 0.18, 0.07),
    'relation': (0.0, 0.55, 0.33, 0.10, 0.02),
    'pair': (0.0, 0.50, 0.38, 0.10, 0.02),
    'count': (0.10, 0.50, 0.32, 0.08, 0.0),
}
# How often an attribute is chosen, relative to the others (order of ATTRIBUTES): people name shape and colour first.
_NAMED = np.array([0.35, 0.35, 0.13, 0.17])

_EXISTS = (
    '{}',
    'there is {}',
    'a picture of {}',
    'an image with {}',
    'this picture shows {}',
    'we can see {}',
    '{} can be seen',
)
_COUNT = ('exactly {}', 'a picture of exactly {}', 'an image with exactly {}', 'we can see exactly {}')
_PAIR = (
    '{} and {}',
    'there is {} and {}',
    'a picture of {} and {}',
    'this picture shows {} and {}',
    '{} together with {}',
)
_RELATION = ('{} is {} {}', '{} {} {}', 'a picture of {} {} {}', 'there is {} {} {}')


def sample_claim(scene: Scene, rng: np.random.Generator, detail: int = 0) -> Claim:
    """A statement that is true of the scene, from vague ('something red') to specific.

    Statements that most scenes satisfy ('there is a large object') are left out, and so are pairs that one object could
    satisfy alone ('a red object and a star'): English would not say whether that counts. `detail`: how many attributes more
    are named of each object; fewer if it is negative.
    """
    while True:
        kind = list(_KINDS)[_draw(_KINDS.values(), rng)]
        first, second = (scene.objects[i] for i in rng.permutation(len(scene.objects))[:2])
        one, other = _describe(first, kind, detail, rng), _describe(second, kind, detail, rng)
        if kind == 'exists' and (one.shape or one.colour):
            return Exists(one)
        if kind == 'count':
            return Count(one, count(one, scene))
        if kind == 'pair' and one.excludes(other):
            return Pair(one, other)
        if kind == 'relation' and any((one.shape, one.colour, other.shape, other.colour)):
            relations = [relation for relation in RELATIONS if related(first, relation, second)]
            if relations:
                return Pair(one, other, relations[rng.integers(len(relations))])


def _describe(item: WorldObject, kind: str, detail: int, rng: np.random.Generator) -> Description:
    number = _draw(_DETAIL[kind], rng)
    number = max(min(number, 1), number + detail)
    # The smallest of exponential times with these rates: drawing by weight without replacement.
    order = np.argsort(rng.exponential(size=len(ATTRIBUTES)) / _NAMED)
    names = [list(ATTRIBUTES)[i] for i in order[:number]]
    return Description(**{name: getattr(item, name) for name in names})


def _draw(weights: Collection[float], rng: np.random.Generator) -> int:
    """An index, in proportion to the weights, which add up to 1."""
    return min(bisect(list(accumulate(weights)), rng.random()), len(weights) - 1)


def word_claim(claim: Claim, rng: np.random.Generator) -> str:
    """The claim in lower-case English without punctuation; synonyms and sentence are drawn from `rng`."""
    match claim:
        case Exists(description):
            return pick(_EXISTS, rng).format(one_phrase(description, rng, may_use_with=True))
        case Count(description, number):
            sentences = (*_COUNT, 'there is exactly {}' if number == 1 else 'there are exactly {}')
            return pick(sentences, rng).format(f'{NUMBERS[number]} {noun_phrase(description, rng, plural=number > 1)}')
        case Pair(first, second, None):
            return pick(_PAIR, rng).format(one_phrase(first, rng), one_phrase(second, rng))
        case Pair(first, second, str(relation)):
            another = 'another' if first == second else None
            return pick(_RELATION, rng).format(
                one_phrase(first, rng), pick(RELATION_WORDS[relation], rng), one_phrase(second, rng, article=another)
            )
    raise TypeError(f'a claim is Exists, Count or Pair, got {type(claim).__name__}')


_SENTENCES = (*_EXISTS, *_COUNT, *_PAIR, *_RELATION, 'there is exactly', 'there are exactly', *NUMBERS[1:])
# Every word that a caption can contain.
WORDS = tuple(sorted(words_in((*PHRASES, *_SENTENCES))))
