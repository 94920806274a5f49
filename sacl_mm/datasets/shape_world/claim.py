"""A small language of statements about a scene, with an exact meaning: `holds(claim, scene)`.

    Exists(d)          some object matches d
    Count(d, n)        exactly n objects match d
    Pair(d, e)         two different objects match d and e
    Pair(d, e, r)      two different objects a, b match d and e, and a is `r` (left of, ...) b

A description fixes any subset of shape, colour, size and texture; an object matches it when it agrees on all of these.
`relevance.py` computes the same for many claims and scenes at once.
"""

from dataclasses import dataclass
from itertools import permutations

from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, MARGIN, MAX_OBJECTS, Scene, WorldObject

RELATIONS = ('left', 'right', 'above', 'below')


@dataclass(frozen=True)
class Description:
    """What is said about one object; None says nothing about that attribute.

    Raises:
        ValueError: for an attribute outside its vocabulary.
    """

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    texture: str | None = None

    def __post_init__(self) -> None:
        for name, values in ATTRIBUTES.items():
            if getattr(self, name) not in (None, *values):
                raise ValueError(f'{name} is None or one of {values}, got {getattr(self, name)!r}')

    def matches(self, item: WorldObject) -> bool:
        return all(getattr(self, name) in (None, getattr(item, name)) for name in ATTRIBUTES)

    def excludes(self, other: 'Description') -> bool:
        """Whether no object can match both."""
        return any(
            None not in (getattr(self, name), getattr(other, name)) and getattr(self, name) != getattr(other, name)
            for name in ATTRIBUTES
        )


@dataclass(frozen=True)
class Exists:
    description: Description


@dataclass(frozen=True)
class Count:
    description: Description
    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_OBJECTS:
            raise ValueError(f'number lies in 1 .. {MAX_OBJECTS}, got {self.number}')


@dataclass(frozen=True)
class Pair:
    first: Description
    second: Description
    relation: str | None = None

    def __post_init__(self) -> None:
        if self.relation not in (None, *RELATIONS):
            raise ValueError(f'relation is None or one of {RELATIONS}, got {self.relation!r}')


Claim = Exists | Count | Pair


def count(description: Description, scene: Scene) -> int:
    """How many objects of the scene match."""
    return sum(description.matches(item) for item in scene.objects)


def related(first: WorldObject, relation: str, second: WorldObject) -> bool:
    """Whether `first` is `relation` of `second`: their centres are at least `MARGIN` apart in that direction."""
    distance = {
        'left': second.x - first.x,
        'right': first.x - second.x,
        'above': second.y - first.y,
        'below': first.y - second.y,
    }
    return distance[relation] >= MARGIN


def holds(claim: Claim, scene: Scene) -> bool:
    """Whether the claim is true of the scene."""
    match claim:
        case Exists(description):
            return count(description, scene) > 0
        case Count(description, number):
            return count(description, scene) == number
        case Pair(first, second, relation):
            return any(
                first.matches(a) and second.matches(b) and (relation is None or related(a, relation, b))
                for i, a in enumerate(scene.objects)
                for j, b in enumerate(scene.objects)
                if i != j
            )
    raise TypeError(f'a claim is Exists, Count or Pair, got {type(claim).__name__}')


def satisfied_share(claim: Claim, scene: Scene) -> float:
    """How much of the claim is true of the scene, in [0, 1]; 1 exactly if it holds.

    Exists: the largest share of the stated attributes that one object has.
    Pair: the same of the stated attributes of both, and the relation as one more, over all choices of two objects.
    Count: the shares of the `number` best objects, added up, over the number that is said or the number of matches,
    whichever is larger: both missing and surplus objects cost.
    """
    match claim:
        case Exists(description):
            return max(_share(*_agreement(description, item)) for item in scene.objects)
        case Count(description, number):
            shares = sorted((_share(*_agreement(description, item)) for item in scene.objects), reverse=True)
            return sum(shares[:number]) / max(number, count(description, scene))
        case Pair(first, second, relation):
            shares = []
            for a, b in permutations(scene.objects, 2):
                (agree, stated), (other_agree, other_stated) = _agreement(first, a), _agreement(second, b)
                agree, stated = agree + other_agree, stated + other_stated
                if relation is not None:
                    agree, stated = agree + related(a, relation, b), stated + 1
                shares.append(_share(agree, stated))
            # Of a lone object at most one half can be true.
            lone = (_share(*_agreement(description, scene.objects[0])) / 2 for description in (first, second))
            return max(shares) if shares else max(lone)
    raise TypeError(f'a claim is Exists, Count or Pair, got {type(claim).__name__}')


def _agreement(description: Description, item: WorldObject) -> tuple[int, int]:
    """How many of the stated attributes the object has, and how many are stated."""
    stated = [name for name in ATTRIBUTES if getattr(description, name) is not None]
    return sum(getattr(description, name) == getattr(item, name) for name in stated), len(stated)


def _share(agree: int, stated: int) -> float:
    return agree / stated if stated else 1.0
