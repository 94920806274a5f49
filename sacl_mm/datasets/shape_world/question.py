"""Questions about a scene with exact answers, asked so that the words alone don't tell the answer.

    IsTrue(c)          yes or no: does the claim c hold? (kinds 'exists' and 'relation')
    AreMore(d, e)      yes or no: do more objects match d than e? (kind 'compare')
    HowMany(d)         the number of objects that match d, as a word (kind 'count')
    WhatIs(d, name)    that attribute of the only object that matches d (kind 'attribute')

Balance. *Yes or no*: a second scene is made by exchanging two names (red and blue, star and heart) or by turning the
first upside down; a question is drawn that is true of one of the two and not of the other; a coin said before which one
is the image. As no name and no direction is special, a question has either answer with the same probability, whatever
its words, and what is asked for is often nearly there. *Count*: description and number are drawn independently, and the scene
is made to fit. *Attribute*: the asked value is drawn among those that occur; the description doesn't fix it, and every
name is as likely as another.
"""

from dataclasses import dataclass

import numpy as np

from sacl_mm.datasets.shape_world.caption import sample_claim
from sacl_mm.datasets.shape_world.claim import Description, Exists, Pair, count, holds
from sacl_mm.datasets.shape_world.phrase import NUMBERS, pick
from sacl_mm.datasets.shape_world.repaint import (
    PAINTS,
    another_value,
    sample_paint,
    sample_scene_with,
    swap_values,
    turn,
    values_in,
)
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, Scene, WorldObject

KINDS = ('exists', 'count', 'attribute', 'compare', 'relation')
MAX_ASKED_COUNT = 3
_TURN_PROBABILITY = 0.7
# Every answer to a sampled question.
ANSWERS = ('yes', 'no', *NUMBERS[: MAX_ASKED_COUNT + 1], *(value for values in ATTRIBUTES.values() for value in values))


@dataclass(frozen=True)
class IsTrue:
    claim: Exists | Pair


@dataclass(frozen=True)
class AreMore:
    """Raises ValueError if one object could match both: 'more red objects than stars' would be easy to misread."""

    first: Description
    second: Description

    def __post_init__(self) -> None:
        if not self.first.excludes(self.second):
            raise ValueError(f'an object could match both {self.first} and {self.second}')


@dataclass(frozen=True)
class HowMany:
    description: Description


@dataclass(frozen=True)
class WhatIs:
    """Raises ValueError if there is no such attribute, or the description tells it."""

    description: Description
    attribute: str

    def __post_init__(self) -> None:
        if self.attribute not in ATTRIBUTES:
            raise ValueError(f'attribute is one of {tuple(ATTRIBUTES)}, got {self.attribute!r}')
        if getattr(self.description, self.attribute) is not None:
            raise ValueError(f'{self.description} tells the {self.attribute} that is asked for')


Question = IsTrue | AreMore | HowMany | WhatIs


def answer(question: Question, scene: Scene) -> str:
    """The answer about that scene.

    Raises:
        ValueError: if the question is about the only object of a description, and there is none or several.
        TypeError: for what is no question.
    """
    match question:
        case IsTrue(claim):
            return 'yes' if holds(claim, scene) else 'no'
        case AreMore(first, second):
            return 'yes' if count(first, scene) > count(second, scene) else 'no'
        case HowMany(description):
            return NUMBERS[count(description, scene)]
        case WhatIs(description, attribute):
            found = [item for item in scene.objects if description.matches(item)]
            if len(found) != 1:
                raise ValueError(f'{len(found)} objects match {description}, but the question is about the only one')
            return getattr(found[0], attribute)
    raise TypeError(f'a question is IsTrue, AreMore, HowMany or WhatIs, got {type(question).__name__}')


def sample_counted_scene(rng: np.random.Generator) -> tuple[Scene, HowMany]:
    """A scene and the question that it was made for; description and answer were drawn independently of each other.

    The other kinds of questions can be asked about the scene as well.
    """
    description, number = sample_paint(rng), int(rng.integers(MAX_ASKED_COUNT + 1))
    while not _has_askable_attribute(scene := sample_scene_with(description, number, rng)):
        pass
    return scene, HowMany(description)


def sample_question(kind: str, scene: Scene, rng: np.random.Generator) -> IsTrue | AreMore | WhatIs:
    """A question of that kind about the scene; 'count' needs a scene of its own, see `sample_counted_scene`.

    Raises:
        ValueError: for another kind.
    """
    if kind == 'attribute':
        return _ask_attribute(scene, rng)
    if kind not in ('exists', 'compare', 'relation'):
        raise ValueError(f"kind is 'exists', 'attribute', 'compare' or 'relation', got {kind!r}")
    is_yes = rng.random() < 0.5
    while True:
        turned = kind == 'relation' and rng.random() < _TURN_PROBABILITY
        other = turn(scene) if turned else swap_values(scene, rng)
        true_scene, false_scene = (scene, other) if is_yes else (other, scene)
        question = _propose(kind, true_scene, rng)
        if answer(question, true_scene) == 'yes' and answer(question, false_scene) == 'no':
            return question


def _propose(kind: str, scene: Scene, rng: np.random.Generator) -> IsTrue | AreMore:
    if kind == 'compare':
        item, other = (scene.objects[i] for i in rng.permutation(len(scene.objects))[:2])
        name = pick(PAINTS, rng)
        value, compared = getattr(item, name), getattr(other, name)
        if value == compared or rng.random() < 0.3:  # also with what is not there
            compared = another_value(name, value, rng)
        return AreMore(Description(**{name: value}), Description(**{name: compared}))
    while True:
        match sample_claim(scene, rng):
            case Exists() as claim if kind == 'exists':
                return IsTrue(claim)
            case Pair(_, _, relation) as claim if kind == 'relation' and relation is not None:
                return IsTrue(claim)


def _ask_attribute(scene: Scene, rng: np.random.Generator) -> WhatIs:
    while True:
        attribute = pick(tuple(ATTRIBUTES), rng)
        values = values_in(scene, attribute)
        wanted = pick(values, rng)
        item = pick(tuple(item for item in scene.objects if getattr(item, attribute) == wanted), rng)
        others = [name for name in ATTRIBUTES if name != attribute]
        names = [others[i] for i in rng.permutation(len(others))[: rng.integers(1, len(others) + 1)]]
        description = _describe(item, names)
        if len(values) > 1 and count(description, scene) == 1:
            return WhatIs(description, attribute)


def _has_askable_attribute(scene: Scene) -> bool:
    return any(
        count(_describe(item, [name for name in ATTRIBUTES if name != attribute]), scene) == 1
        for attribute in ATTRIBUTES
        if len(values_in(scene, attribute)) > 1
        for item in scene.objects
    )


def _describe(item: WorldObject, names: list[str]) -> Description:
    return Description(**{name: getattr(item, name) for name in names})
