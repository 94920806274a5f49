"""True statements about a scene, and English for them, from a closed vocabulary."""

import re
from bisect import bisect
from collections.abc import Collection
from itertools import accumulate

import numpy as np

from sacl_mm.datasets.shape_world.claim import RELATIONS, Claim, Count, Description, Exists, Pair, count, related
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, Scene, WorldObject
from sacl_mm.registry import TASK_UTILS

SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')

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

# Singular and plural nouns; None is an object whose shape is not said.
_NOUNS = {
    'circle': (('circle', 'circles'), ('disc', 'discs')),
    'square': (('square', 'squares'), ('box', 'boxes')),
    'triangle': (('triangle', 'triangles'),),
    'star': (('star', 'stars'),),
    'cross': (('cross', 'crosses'),),
    'heart': (('heart', 'hearts'),),
    None: (('object', 'objects'), ('shape', 'shapes'), ('thing', 'things')),
}
_ADJECTIVES = {
    'small': ('small', 'little', 'tiny'),
    'large': ('large', 'big'),
    'plain': ('plain', 'solid'),
    'striped': ('striped',),
    'dotted': ('dotted', 'spotted'),
    'checked': ('checked', 'checkered'),
    'purple': ('purple', 'violet'),
}
_WITH = {'striped': 'with stripes', 'dotted': 'with dots', 'checked': 'with checks'}
_NUMBERS = ('zero', 'one', 'two', 'three', 'four', 'five')
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
_RELATION_WORDS = {
    'left': ('left of', 'to the left of', 'on the left of'),
    'right': ('right of', 'to the right of', 'on the right of'),
    'above': ('above', 'higher than', 'higher up than'),
    'below': ('below', 'lower than', 'lower down than'),
}


def sample_claim(scene: Scene, rng: np.random.Generator) -> Claim:
    """A statement that is true of the scene, from vague ('something red') to specific.

    Statements that most scenes satisfy ('there is a large object') are left out, and so are pairs that one object could
    satisfy alone ('a red object and a star'): English would not say whether that counts.
    """
    while True:
        kind = list(_KINDS)[_draw(_KINDS.values(), rng)]
        first, second = (scene.objects[i] for i in rng.permutation(len(scene.objects))[:2])
        one, other = _describe(first, kind, rng), _describe(second, kind, rng)
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


def _describe(item: WorldObject, kind: str, rng: np.random.Generator) -> Description:
    number = _draw(_DETAIL[kind], rng)
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
            return _pick(_EXISTS, rng).format(_one(description, rng, may_use_with=True))
        case Count(description, number):
            sentences = (*_COUNT, 'there is exactly {}' if number == 1 else 'there are exactly {}')
            return _pick(sentences, rng).format(
                f'{_NUMBERS[number]} {_noun_phrase(description, rng, plural=number > 1)}'
            )
        case Pair(first, second, None):
            return _pick(_PAIR, rng).format(_one(first, rng), _one(second, rng))
        case Pair(first, second, relation):
            another = 'another' if first == second else None
            return _pick(_RELATION, rng).format(
                _one(first, rng), _pick(_RELATION_WORDS[relation], rng), _one(second, rng, article=another)
            )
    raise TypeError(f'a claim is Exists, Count or Pair, got {type(claim).__name__}')


def _one(
    description: Description, rng: np.random.Generator, may_use_with: bool = False, article: str | None = None
) -> str:
    """'a red star', 'an orange heart', 'something striped', 'a small star with dots', 'another object'."""
    fixed = [value for name in ATTRIBUTES if (value := getattr(description, name)) is not None]
    if len(fixed) == 1 and description.shape is None and article is None and rng.random() < 0.4:
        return f'something {_adjective(fixed[0], rng)}'
    tail = ''
    if may_use_with and description.texture in _WITH and rng.random() < 0.3:
        tail = ' ' + _WITH[description.texture]
        description = Description(description.shape, description.colour, description.size)
    phrase = _noun_phrase(description, rng)
    return f'{article or ("an" if phrase[0] in "aeiou" else "a")} {phrase}{tail}'


def _noun_phrase(description: Description, rng: np.random.Generator, plural: bool = False) -> str:
    adjectives = [
        _adjective(value, rng) for value in (description.size, description.texture, description.colour) if value
    ]
    return ' '.join([*adjectives, _pick(_NOUNS[description.shape], rng)[plural]])


def _adjective(value: str, rng: np.random.Generator) -> str:
    return _pick(_ADJECTIVES.get(value, (value,)), rng)


def _pick(options: tuple, rng: np.random.Generator):
    return options[rng.integers(len(options))]


def _all_phrases() -> list[str]:
    nouns = [noun for pairs in _NOUNS.values() for pair in pairs for noun in pair]
    adjectives = [word for words in _ADJECTIVES.values() for word in words]
    values = [value for name in ('colour', 'size', 'texture') for value in ATTRIBUTES[name]]
    relations = [phrase for phrases in _RELATION_WORDS.values() for phrase in phrases]
    sentences = (*_EXISTS, *_COUNT, *_PAIR, *_RELATION, 'there is exactly', 'there are exactly')
    return [
        *nouns,
        *adjectives,
        *values,
        *relations,
        *sentences,
        *_NUMBERS[1:],
        *_WITH.values(),
        'a',
        'an',
        'another',
        'something',
    ]


# Every word that a caption can contain.
WORDS = tuple(sorted({word for phrase in _all_phrases() for word in re.findall('[a-z]+', phrase)}))


@TASK_UTILS.register_module()
def shape_world_vocabulary() -> list[str]:
    """BERT's special tokens ([PAD] is 0) and all words: the lines of a WordPiece `vocab.txt` without any [UNK]."""
    return [*SPECIAL_TOKENS, *WORDS]
