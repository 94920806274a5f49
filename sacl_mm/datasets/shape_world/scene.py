"""Scenes of the shape world: what there is and where, without any image.

Positions and radii are integers, in thousandths of the image's side, so that every statement about a scene is exact.
"""

from dataclasses import dataclass

import numpy as np

SHAPES = ('circle', 'square', 'triangle', 'star', 'cross', 'heart')
COLOURS = ('red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'black')
SIZES = ('small', 'large')
TEXTURES = ('plain', 'striped', 'dotted', 'checked')
ATTRIBUTES = {'shape': SHAPES, 'colour': COLOURS, 'size': SIZES, 'texture': TEXTURES}

SIDE = 1000
RADII = {'small': 122, 'large': 190}
MIN_OBJECTS, MAX_OBJECTS = 2, 5
# Two objects of a sampled scene lie at least this far apart along x and along y: of 'left of' and 'right of' exactly one
# holds, and one can see which.
MARGIN = 60

# Corners reach a little beyond the radius.
_BORDER = 15
_GAP = 1.06
_TRIES_PER_OBJECT = 40
_COPY_PROBABILITY = 0.35


@dataclass(frozen=True)
class WorldObject:
    """One object; `x` (to the right) and `y` (downwards) are its centre in thousandths of the side.

    Raises:
        ValueError: for an attribute outside its vocabulary, or a centre outside the image.
    """

    shape: str
    colour: str
    size: str
    texture: str
    x: int
    y: int

    def __post_init__(self) -> None:
        for name, values in ATTRIBUTES.items():
            if getattr(self, name) not in values:
                raise ValueError(f'{name} is one of {values}, got {getattr(self, name)!r}')
        if not (0 <= self.x <= SIDE and 0 <= self.y <= SIDE):
            raise ValueError(f'x and y lie in [0, {SIDE}], got {self.x} and {self.y}')


@dataclass(frozen=True)
class Scene:
    """Some objects and a seed for everything in the image that no statement is about (background, tint, rotation)."""

    objects: tuple[WorldObject, ...]
    nuisance: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.objects) <= MAX_OBJECTS:
            raise ValueError(f'a scene has 1 to {MAX_OBJECTS} objects, got {len(self.objects)}')


def sample_scene(rng: np.random.Generator) -> Scene:
    """A scene of 2 to 5 objects that do not overlap.

    Some objects repeat about half of what another one looks like: images with two stars, or a red star and a red heart,
    can only be told apart by who has which attribute.
    """
    number = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    while True:
        looks: list[tuple[str, ...]] = []
        for _ in range(number):
            look = tuple(values[rng.integers(len(values))] for values in ATTRIBUTES.values())
            if looks and rng.random() < _COPY_PROBABILITY:
                model = looks[rng.integers(len(looks))]
                look = tuple(
                    old if copy else new for old, new, copy in zip(model, look, rng.random(4) < 0.5, strict=True)
                )
            looks.append(look)
        centres = _place([RADII[look[2]] for look in looks], rng)
        if centres is not None:
            objects = tuple(
                WorldObject(**dict(zip(ATTRIBUTES, look, strict=True)), x=x, y=y)
                for look, (x, y) in zip(looks, centres, strict=True)
            )
            return Scene(objects, nuisance=int(rng.integers(2**31)))


def _place(radii: list[int], rng: np.random.Generator) -> list[tuple[int, int]] | None:
    """Centres of objects that touch neither each other nor the border; None if chance did not find any."""
    centres: dict[int, tuple[int, int]] = {}
    # The largest first: they are the hardest to place.
    for item in sorted(range(len(radii)), key=lambda k: -radii[k]):
        low, high = radii[item] + _BORDER, SIDE - radii[item] - _BORDER
        for x, y in rng.integers(low, high + 1, size=(_TRIES_PER_OBJECT, 2)).tolist():
            if all(
                abs(x - other_x) >= MARGIN
                and abs(y - other_y) >= MARGIN
                and (x - other_x) ** 2 + (y - other_y) ** 2 >= (_GAP * (radii[item] + radii[other])) ** 2
                for other, (other_x, other_y) in centres.items()
            ):
                centres[item] = (x, y)
                break
        else:
            return None
    return [centres[item] for item in range(len(radii))]


def encode_scene(scene: Scene) -> np.ndarray:
    """(MAX_OBJECTS, 6) int16: per object the indices of shape, colour, size, texture, then x and y; -1 = no object."""
    codes = np.full((MAX_OBJECTS, 6), -1, np.int16)
    for row, item in enumerate(scene.objects):
        looks = [values.index(getattr(item, name)) for name, values in ATTRIBUTES.items()]
        codes[row] = (*looks, item.x, item.y)
    return codes
