"""Scenes made to order: so that a description has a wanted count, or so that other statements become true.

All names of a shape, colour or texture stay equally likely, and so do all directions. Sizes are not repainted, because a
larger object may not fit.
"""

from dataclasses import replace

import numpy as np

from sacl_mm.datasets.shape_world.claim import Description
from sacl_mm.datasets.shape_world.phrase import pick
from sacl_mm.datasets.shape_world.scene import ATTRIBUTES, SIDE, Scene, sample_scene

PAINTS = ('shape', 'colour', 'texture')
_TWO_PAINTS_PROBABILITY = 0.4
_NEAR_MISS_PROBABILITY = 0.5
_OCCURS_PROBABILITY = 0.5


def sample_paint(rng: np.random.Generator) -> Description:
    """One or two of shape, colour and texture."""
    number = 2 if rng.random() < _TWO_PAINTS_PROBABILITY else 1
    names = [PAINTS[i] for i in rng.permutation(len(PAINTS))[:number]]
    return Description(**{name: pick(ATTRIBUTES[name], rng) for name in names})


def sample_scene_with(description: Description, number: int, rng: np.random.Generator) -> Scene:
    """A scene in which exactly `number` objects match; half of the others miss the description by one attribute.

    Raises:
        ValueError: if the description says nothing or fixes the size.
    """
    fixed = {name: value for name in ATTRIBUTES if (value := getattr(description, name)) is not None}
    if not fixed or not set(fixed) <= set(PAINTS):
        raise ValueError(f'the description must fix some of {PAINTS} and nothing else, got {description}')
    while len((scene := sample_scene(rng)).objects) < number:
        pass
    objects = list(scene.objects)
    for rank, i in enumerate(rng.permutation(len(objects))):
        if rank < number or rng.random() < _NEAR_MISS_PROBABILITY:
            objects[i] = replace(objects[i], **fixed)
        if rank >= number and description.matches(objects[i]):
            name = pick(tuple(fixed), rng)
            objects[i] = replace(objects[i], **{name: another_value(name, fixed[name], rng)})
    return replace(scene, objects=tuple(objects))


def swap_values(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with two values of one attribute exchanged everywhere: one that occurs in it, and most often another.

    The result is as likely a scene as the given one, and swapping it back is as likely as swapping was: which of the
    two was there first cannot be told.
    """
    name = pick(PAINTS, rng)
    one = pick(values_in(scene, name), rng)
    others = tuple(value for value in values_in(scene, name) if value != one)
    other = pick(others, rng) if others and rng.random() < _OCCURS_PROBABILITY else another_value(name, one, rng)
    swapped = {one: other, other: one}
    objects = (replace(item, **{name: swapped.get(value := getattr(item, name), value)}) for item in scene.objects)
    return replace(scene, objects=tuple(objects))


def turn(scene: Scene) -> Scene:
    """The scene upside down: left is right and above is below. As likely a scene as the given one."""
    objects = (replace(item, x=SIDE - item.x, y=SIDE - item.y) for item in scene.objects)
    return replace(scene, objects=tuple(objects))


def another_value(name: str, value: str, rng: np.random.Generator) -> str:
    """Any other value of that attribute."""
    return pick(tuple(other for other in ATTRIBUTES[name] if other != value), rng)


def values_in(scene: Scene, name: str) -> tuple[str, ...]:
    """The different values of that attribute in the scene, in a fixed order."""
    return tuple(sorted({getattr(item, name) for item in scene.objects}))
