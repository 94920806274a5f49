"""English for a description or relation: 'a red star', 'something striped', 'tiny crosses'; synonyms come from `rng`."""

import re
from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from sacl_mm.datasets.shape_world.claim import Description
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES

T = TypeVar('T')

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
NUMBERS = ('zero', 'one', 'two', 'three', 'four', 'five')
RELATION_WORDS = {
    'left': ('left of', 'to the left of', 'on the left of'),
    'right': ('right of', 'to the right of', 'on the right of'),
    'above': ('above', 'higher than', 'higher up than'),
    'below': ('below', 'lower than', 'lower down than'),
}


def one_phrase(
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
    phrase = noun_phrase(description, rng)
    return f'{article or ("an" if phrase[0] in "aeiou" else "a")} {phrase}{tail}'


def noun_phrase(description: Description, rng: np.random.Generator, plural: bool = False) -> str:
    """The same without an article: 'red star', 'red stars'."""
    adjectives = [
        _adjective(value, rng) for value in (description.size, description.texture, description.colour) if value
    ]
    return ' '.join([*adjectives, pick(_NOUNS[description.shape], rng)[plural]])


def _adjective(value: str, rng: np.random.Generator) -> str:
    return pick(_ADJECTIVES.get(value, (value,)), rng)


def pick(options: tuple[T, ...], rng: np.random.Generator) -> T:
    """One of the options, each as likely."""
    return options[rng.integers(len(options))]


def words_in(phrases: Iterable[str]) -> set[str]:
    """The words of some phrases; gaps of templates and punctuation are none."""
    return {word for phrase in phrases for word in re.findall('[a-z]+', phrase)}


# All that a description or relation is put together from.
PHRASES = (
    *(noun for pairs in _NOUNS.values() for pair in pairs for noun in pair),
    *(word for words in _ADJECTIVES.values() for word in words),
    *(value for name in ('colour', 'size', 'texture') for value in ATTRIBUTES[name]),
    *(phrase for phrases in RELATION_WORDS.values() for phrase in phrases),
    *_WITH.values(),
    *('a', 'an', 'another', 'something'),
)
