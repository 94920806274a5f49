"""Scenes as pictures inside an HTML page."""

import base64
from html import escape

import cv2

from sacl_mm.datasets.shape_world import Scene, render_scene
from sacl_mm.user_error import printable


def picture_tag(scene: Scene, alt: str, side: int = 160, quality: int = 82) -> str:
    """An <img> that carries its JPEG; the same scene drawn at any `side` shows the same."""
    _, jpeg = cv2.imencode('.jpg', render_scene(scene, side), [cv2.IMWRITE_JPEG_QUALITY, quality])
    data = base64.b64encode(jpeg.tobytes()).decode()
    return f'<img width="{side}" height="{side}" alt="{escape(printable(alt))}" src="data:image/jpeg;base64,{data}">'


def describe(scene: Scene) -> str:
    """What a picture shows, for those who cannot see it."""
    return 'Picture of ' + ', '.join(f'a {o.size} {o.texture} {o.colour} {o.shape}' for o in scene.objects)
