"""How files are named that Pillow and OpenCV decode."""

import os

IMAGE_SUFFIXES = (
    '.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.apng', '.webp', '.avif', '.bmp', '.dib', '.gif', '.tif', '.tiff',
    '.jp2', '.j2k', '.jpx', '.ppm', '.pgm', '.pbm', '.pnm',
)  # fmt: skip


def has_image_suffix(name: str) -> bool:
    """Also in capitals."""
    return os.path.splitext(name.strip())[1].lower() in IMAGE_SUFFIXES
