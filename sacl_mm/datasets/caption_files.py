"""Readers of caption files: each is a pure function `path -> {image name: [captions]}`, in the order of the file.

A line or entry that does not fit raises AnnotationError with file:line (or file and entry) and what was expected; repairs and
repetitions are counted in a `ReadingReport`. Tables are in `table_files`, folders in `sidecar_files`.
"""

import os
import re
from collections.abc import Iterable, Sequence

from sacl_mm.datasets.annotation_fields import (
    FieldError,
    check,
    entries_of,
    identity_field,
    image_name,
    list_field,
    name_field,
    numbered,
    read_entries,
    text_field,
    texts_field,
)
from sacl_mm.datasets.column_names import find_columns
from sacl_mm.datasets.text_files import load_json, load_json_lines, load_json_list, text_lines
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

Captions = dict[str, list[str]]

_FLICKR_TOKEN = re.compile(r'(?P<image>[^\t]+)#\d+\t(?P<caption>.*)')
_FLICKR30K_ROW = re.compile(r'(?P<image>[^|]+)\|\s*\d+\s*\|(?P<caption>.*)')
# One line of the published results.csv lacks its second bar: `2199200615.jpg| 4   A dog runs across the grass .`
_FLICKR30K_ROW_WITHOUT_BAR = re.compile(r'(?P<image>[^|]+)\|\s*\d+\s+(?P<caption>[^|]*)')


def read_coco(path: str, report: ReadingReport | None = None) -> Captions:
    """COCO captions JSON: {'images': [{'id', 'file_name'}], 'annotations': [{'image_id', 'caption'}]}."""
    report = report or ReadingReport(path)
    content, expected = load_json(path), "COCO captions, an object with lists 'images' and 'annotations'"
    images, annotations = (entries_of(content, key, path, expected) for key in ('images', 'annotations'))

    name_of: dict[int | str, str] = {}
    captions: Captions = {}
    entries = read_entries(
        numbered(images, f'{path}: image'),
        "an 'id' (a whole number or text) and a 'file_name'",
        lambda entry: (identity_field(entry, 'id'), name_field(entry, 'file_name')),
    )
    for where, (image_id, name) in entries:
        known = name_of.setdefault(image_id, name)
        check(
            known == name,
            f'{where}: the id {image_id!r} of {name!r} belongs to {known!r} already, so whose captions are meant cannot be '
            'told; were two files joined? Number the images anew',
        )
        if name in captions:
            report.notice('images that are listed again', f'{where}, {name}')
        captions.setdefault(name, [])

    entries = read_entries(
        numbered(annotations, f'{path}: annotation'),
        "a 'caption' with its 'image_id'; is it a file of instances?",
        lambda entry: (identity_field(entry, 'image_id'), text_field(entry, 'caption')),
    )
    unknown: dict[int | str, None] = {}
    for _, (image_id, caption) in entries:
        if image_id in name_of:
            captions[name_of[image_id]].append(caption)
        else:
            unknown[image_id] = None
    check(not unknown, f"{path}: annotations of {len(unknown)} images that are not in 'images': {list(unknown)[:3]}")
    return captions


def read_karpathy(path: str, split: str | Sequence[str] | None = None, report: ReadingReport | None = None) -> Captions:
    """Karpathy's JSON: {'images': [{'filename', 'filepath', 'split', 'sentences': [{'raw'}]}]}.

    `split` is a name or several (COCO trains on ('train', 'restval')); None takes all.
    """
    report = report or ReadingReport(path)
    images = entries_of(load_json(path), 'images', path, "Karpathy's JSON, an object with a list 'images'")
    wanted = {split} if isinstance(split, str) else set(split or ())

    def image(entry: dict) -> tuple[str, str, list[str]]:
        folder = text_field(entry, 'filepath') if 'filepath' in entry else ''
        name = image_name(os.path.join(folder, name_field(entry, 'filename')))
        return text_field(entry, 'split'), name, [text_field(one, 'raw') for one in list_field(entry, 'sentences')]

    captions: Captions = {}
    present = set()
    expected = "'filename', 'split' and 'sentences' with 'raw'"
    for where, (part, name, texts) in read_entries(numbered(images, f'{path}: image'), expected, image):
        present.add(part)
        if wanted and part not in wanted:
            continue
        if name in captions:
            report.notice('images that are listed again', f'{where}, {name}')
        captions.setdefault(name, []).extend(texts)
    check(wanted <= present, f'{path} has no split {sorted(wanted - present)}, only {sorted(present)}')
    return captions


def read_json_list(path: str, columns: dict[str, str] | None = None, report: ReadingReport | None = None) -> Captions:
    """ALBEF's JSON: [{'image': path, 'caption': str or list of str}, ...]; further keys are ignored.

    `columns=dict(image=..., caption=...)` names other keys; by default the names of `column_names` in any case.
    """
    return _group_entries(numbered(load_json_list(path), f'{path}: entry'), columns or {})


def read_json_lines(path: str, columns: dict[str, str] | None = None, report: ReadingReport | None = None) -> Captions:
    """The entries of `read_json_list`, one per line."""
    return _group_entries(load_json_lines(path), columns or {})


def read_flickr_tokens(path: str, report: ReadingReport | None = None) -> Captions:
    """Flickr8k.token.txt, results_20130124.token: `name.jpg#k<TAB>caption`."""
    captions: Captions = {}
    for where, line in text_lines(path):
        _add_line(captions, where, line, _FLICKR_TOKEN.fullmatch(line), 'name.jpg#number<TAB>caption')
    return captions


def read_flickr30k_csv(path: str, report: ReadingReport | None = None) -> Captions:
    """Flickr30k's results.csv: a header, then `name.jpg| number| caption`."""
    report = report or ReadingReport(path)
    captions: Captions = {}
    for number, (where, line) in enumerate(text_lines(path)):
        if number == 0:
            continue
        match = _FLICKR30K_ROW.fullmatch(line)
        if match is None and (match := _FLICKR30K_ROW_WITHOUT_BAR.fullmatch(line)):
            report.repair('lines without their second bar', where)
        _add_line(captions, where, line, match, 'name.jpg| number| caption')
    return captions


def read_names(path: str) -> list[str]:
    """A list of image names, one per line (Flickr_8k.trainImages.txt)."""
    return [line.strip() for _, line in text_lines(path)]


def _group_entries(entries: Iterable[tuple[str, object]], columns: dict[str, str]) -> Captions:
    def pair(entry: dict) -> tuple[str, list[str]]:
        keys = list(entry)
        image, caption = find_columns(keys, columns)
        return name_field(entry, keys[image]), texts_field(entry, keys[caption])

    captions: Captions = {}
    for _, (name, texts) in read_entries(entries, "an object with 'image' (a path) and 'caption'", pair):
        captions.setdefault(name, []).extend(texts)
    return captions


def _add_line(captions: Captions, where: str, line: str, match: re.Match | None, expected: str) -> None:
    if match is None:
        raise AnnotationError(f'{where}: expected `{expected}`, got {line[:80]!r}')
    try:
        captions.setdefault(image_name(match['image'].strip()), []).append(match['caption'].strip())
    except FieldError as error:
        raise AnnotationError(f'{where}: {error}') from None
