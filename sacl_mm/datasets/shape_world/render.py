"""Images of scenes, at any resolution.

An object is a *sprite*: how much of each pixel is body, light (texture), dark (outline) and shadow. Sprites are drawn
once per look and size, finely, and kept; rendering turns, scales and shifts them onto the background and mixes colours.
Units: the object's radius is 1 in a sprite; elsewhere pixels.
"""

from functools import lru_cache
from math import ceil

import cv2
import numpy as np

from sacl_mm.datasets.shape_world.scene import RADII, SIDE, Scene, WorldObject

# BGR.
PALETTE = {
    'red': (45, 40, 215),
    'orange': (20, 130, 250),
    'yellow': (30, 215, 250),
    'green': (70, 155, 40),
    'blue': (225, 105, 30),
    'purple': (160, 45, 120),
    'pink': (195, 140, 255),
    'black': (42, 38, 38),
}
_EXTENT = 1.3  # a sprite reaches from -1.3 to 1.3 radii: room for the shadow
_FINENESS = 5  # a sprite is drawn this much larger, then averaged


def render_scene(scene: Scene, size: int) -> np.ndarray:
    """(size, size, 3) uint8 BGR; equal for equal scenes and sizes."""
    rng = np.random.default_rng(scene.nuisance)
    image = _background(size, rng)
    for item in scene.objects:
        angle, scale = rng.uniform(-18, 18), rng.uniform(0.94, 1.06)
        tint = rng.uniform(0.93, 1.05) + rng.uniform(-0.03, 0.03, 3)
        _paint(image, item, angle, scale, tint)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size, 3) float32: a pale colour with soft clouds."""
    colour = rng.uniform(188, 238) + rng.uniform(-14, 14, 3)
    clouds = rng.uniform(-13, 13, (8, 8, 1)) + rng.uniform(-5, 5, (8, 8, 3))
    # The middle of the coarse grid, turned, so that neither its border nor its axes show: 3 of its 8 cells are the side.
    window = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), rng.uniform(0, 360), 3 / size)
    window[:, 2] += np.array(3.5 - (size / 2 - 0.5))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine((colour + clouds).astype(np.float32), window, (size, size), flags=flags)


def _paint(image: np.ndarray, item: WorldObject, angle: float, scale: float, tint: np.ndarray) -> None:
    size = len(image)
    radius = RADII[item.size] * size / SIDE
    side = ceil(2 * _EXTENT * radius)
    sprite = _sprite(item.shape, item.texture, side)
    # The part of the image that the turned sprite can reach.
    x, y = item.x * size / SIDE, item.y * size / SIDE
    reach = 1.15 * _EXTENT * radius
    left, top = max(int(x - reach), 0), max(int(y - reach), 0)
    part = image[top : ceil(y + reach), left : ceil(x + reach)]
    # From pixel centres of the sprite to pixel centres of the part.
    turn = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), angle, scale * 2 * _EXTENT * radius / side)
    turn[:, 2] += np.array((x - left - side / 2, y - top - side / 2))
    cover = cv2.warpAffine(sprite, turn, part.shape[1::-1], flags=cv2.INTER_LINEAR)

    body = np.array(PALETTE[item.colour]) * tint
    # Order of the channels: body, light, dark; shadow is black.
    paints = np.stack([body, 255 - 0.06 * (255 - body), 0.5 * body, np.zeros(3)]).astype(np.float32)
    part *= 1 - cover.sum(-1, keepdims=True)
    part += cover @ paints


@lru_cache(maxsize=512)
def _sprite(shape: str, texture: str, side: int) -> np.ndarray:
    """(side, side, 4) float32 in [0, 1]: cover by body, light, dark and shadow; they add up to at most 1."""
    fine = side * _FINENESS
    unit = fine / (2 * _EXTENT)
    contour = np.round((_CONTOURS[shape] + _EXTENT) * unit).astype(np.int32)
    inside = cv2.fillPoly(np.zeros((fine, fine), np.float32), [contour], 1.0)
    line = max(round(0.10 * unit), 1)
    dark = cv2.polylines(np.zeros_like(inside), [contour], True, 1.0, line)
    inside = np.maximum(inside, dark)

    axis = (np.arange(fine, dtype=np.float32) + 0.5) / unit - _EXTENT
    u, v = np.meshgrid(axis, axis)
    light = _TEXTURES[texture](u, v).astype(np.float32)
    # A little brighter at the upper left, a little darker at the lower right.
    light = np.maximum(light, np.clip(-0.10 * (u + v), 0, 0.12))
    dark = np.maximum(0.8 * dark, np.clip(0.10 * (u + v), 0, 0.14)) * inside
    light *= inside * (1 - dark)
    body = inside - light - dark

    shadow = np.roll(inside, (round(0.10 * unit), round(0.06 * unit)), axis=(0, 1))
    shadow = 0.30 * cv2.GaussianBlur(shadow, (0, 0), 0.07 * unit) * (1 - inside)
    cover = np.stack([body, light, dark, shadow], axis=-1)
    return cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA)


def _regular(corners: int, radii: tuple[float, ...], start: float, down: float = 0.0) -> np.ndarray:
    """(corners, 2) contour whose radii repeat; `start` in degrees, clockwise from the right; moved by `down`."""
    angles = np.deg2rad(start) + 2 * np.pi * np.arange(corners) / corners
    return np.resize(radii, corners)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1) + np.array(
        [0, down]
    )


def _cross() -> np.ndarray:
    arm, width = 0.95, 0.36
    corner = [(width, -arm), (width, -width), (arm, -width)]
    turned = [(-y, x) for x, y in corner], [(-x, -y) for x, y in corner], [(y, -x) for x, y in corner]
    return np.array([*corner, *turned[0], *turned[1], *turned[2]])


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y - 2], axis=-1) / 16.5


_CONTOURS = {
    'circle': _regular(80, (0.86,), 0),
    'square': _regular(4, (1.08,), 45),
    'triangle': _regular(3, (1.14,), -90, down=0.18),
    'star': _regular(10, (1.08, 0.52), -90, down=0.05),
    'cross': _cross(),
    'heart': _heart(),
}
_TEXTURES = {
    'plain': lambda u, v: np.zeros_like(u),
    'striped': lambda u, v: np.mod((u + v) / 0.90, 1) < 0.42,
    'dotted': lambda u, v: np.hypot(np.mod(u + 0.32, 0.64) - 0.32, np.mod(v + 0.32, 0.64) - 0.32) < 0.18,
    'checked': lambda u, v: (np.floor(u / 0.58) + np.floor(v / 0.58)) % 2 > 0,
}
