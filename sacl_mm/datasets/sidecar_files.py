"""A folder of images with texts beside them."""

import os
from collections.abc import Iterator

from sacl_mm.datasets.image_files import IMAGE_SUFFIXES, has_image_suffix
from sacl_mm.datasets.text_files import text_lines
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError


def read_folder(path: str, report: ReadingReport | None = None) -> dict[str, list[str]]:
    """A folder, at any depth, of images with texts beside them: `a.jpg` and `a.txt`, one caption a line.

    Names are absolute; an image without a text has no captions. Folders that are links are followed, each folder is read
    once. Hidden files, texts without an image and files of other kinds are passed over, and counted.
    """
    report = report or ReadingReport(path)
    captions: dict[str, list[str]] = {}
    for folder, names in _folders(os.path.abspath(path), report):
        stem_of_text = {name[:-4]: name for name in names if name.lower().endswith('.txt')}
        used = set()
        for name in names:
            stem, suffix = os.path.splitext(name)
            place = os.path.join(folder, name)
            if name.startswith('.'):
                report.notice('hidden files passed over', place)
            elif has_image_suffix(name):
                captions[place] = _captions(folder, stem_of_text.get(stem))
                used.add(stem)
            elif suffix.lower() != '.txt':
                report.notice(f'files of another kind passed over ({suffix or "no suffix"})', place)
        for stem, name in stem_of_text.items():
            if stem not in used and not stem.startswith('.'):
                report.skip('texts without an image', os.path.join(folder, name))
    other = '' if any(captions.values()) else _other_format(path)
    if other or not captions:
        what = 'text beside an image' if captions else f'image ({", ".join(IMAGE_SUFFIXES)})'
        raise AnnotationError(f'{path}: no {what} in this folder{other}')
    return captions


def _captions(folder: str, text: str | None) -> list[str]:
    return [line.strip() for _, line in text_lines(os.path.join(folder, text))] if text else []


def _folders(root: str, report: ReadingReport) -> Iterator[tuple[str, list[str]]]:
    """Each folder with the sorted names of its files; links come last, so that a folder goes by its own name."""
    waiting, links, seen = [root], list[str](), set[str]()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop(0)
        identity = os.path.realpath(folder)
        if identity in seen:
            report.skip('links to folders that are read already', folder)
            continue
        seen.add(identity)
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            raise AnnotationError(f'{folder}: cannot be listed ({error.strerror})') from error
        subfolders = [entry for entry in entries if entry.is_dir()]
        waiting += [entry.path for entry in reversed(subfolders) if not entry.is_symlink()]
        links += [entry.path for entry in subfolders if entry.is_symlink()]
        yield folder, [entry.name for entry in entries if not entry.is_dir()]


def _other_format(path: str) -> str:
    """A hint where the folder holds captions of another format."""
    names = sorted(os.listdir(path))
    archive = next((name for name in names if name.endswith(('.tar', '.parquet'))), None)
    if archive is not None:
        return f'; set ann_file={os.path.join(path, archive)!r} to read that'
    packed = next((name for name in names if name.endswith(('.tar.gz', '.tgz', '.zip', '.arrow'))), None)
    return f'; unpack its files such as {packed} first' if packed else ''
