"""Readers of caption files: each is a pure function `path -> {image name: [captions]}`, in the order of the file.

A line or entry that does not fit raises ValueError with file:line (or file and entry) and what was expected.
"""

import contextlib
import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from sacl_mm.datasets.json_files import check, load_json, load_json_lines

Captions = dict[str, list[str]]

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.gif', '.tif', '.tiff')
IMAGE_COLUMNS = ('image', 'filepath')
CAPTION_COLUMNS = ('caption', 'text', 'title')

_FLICKR_TOKEN = re.compile(r'(?P<image>[^\t]+)#\d+\t(?P<caption>.*)')
_FLICKR30K_ROW = re.compile(r'(?P<image>[^|]+)\|\s*\d+\s*\|(?P<caption>.*)')
# One line of the published results.csv lacks its second bar: `2199200615.jpg| 4   A dog runs across the grass .`
_FLICKR30K_ROW_WITHOUT_BAR = re.compile(r'(?P<image>[^|]+)\|\s*\d+\s+(?P<caption>[^|]*)')


def read_coco(path: str) -> Captions:
    """COCO captions JSON: {'images': [{'id', 'file_name'}], 'annotations': [{'image_id', 'caption'}]}."""
    from pycocotools.coco import COCO

    content = load_json(path)
    check(
        isinstance(content, dict) and {'images', 'annotations'} <= content.keys(),
        f"{path}: expected COCO captions, an object with 'images' and 'annotations'",
    )
    for number, entry in enumerate(content['annotations']):
        check(
            isinstance(entry.get('caption'), str) and 'image_id' in entry,
            f"{path}: annotation {number} has no 'caption' with its 'image_id'; is it a file of instances?",
        )
    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    captions: Captions = {}
    for image_id, image in coco.imgs.items():
        entries = coco.imgToAnns.get(image_id, [])
        captions.setdefault(image['file_name'], []).extend(entry['caption'].strip() for entry in entries)
    unknown = coco.imgToAnns.keys() - coco.imgs.keys()
    check(not unknown, f"{path}: annotations of images that are not in 'images': {sorted(unknown)[:3]}")
    return captions


def read_karpathy(path: str, split: str | Sequence[str] | None = None) -> Captions:
    """Karpathy's JSON: {'images': [{'filename', 'filepath', 'split', 'sentences': [{'raw'}]}]}.

    `split` is a name or several (COCO trains on ('train', 'restval')); None takes all.
    """
    content = load_json(path)
    check(
        isinstance(content, dict) and isinstance(content.get('images'), list),
        f"{path}: expected Karpathy's JSON, an object with a list 'images'",
    )
    wanted = {split} if isinstance(split, str) else split and set(split)
    captions: Captions = {}
    present = set()
    for number, image in enumerate(content['images']):
        try:
            present.add(image['split'])
            if wanted and image['split'] not in wanted:
                continue
            name = os.path.join(image.get('filepath', ''), image['filename'])
            captions.setdefault(name, []).extend(sentence['raw'].strip() for sentence in image['sentences'])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path}: image {number}: expected 'filename', 'split' and 'sentences' with 'raw' ({error!r})"
            ) from error
    if wanted:
        check(wanted <= present, f'{path} has no split {sorted(wanted - present)}, only {sorted(present)}')
    return captions


def read_json_list(path: str) -> Captions:
    """ALBEF's JSON: [{'image': path, 'caption': str or list of str}, ...]; further keys are ignored."""
    content = load_json(path)
    check(isinstance(content, list), f'{path}: expected a list of objects')
    return _group_entries((f'{path}: entry {number}', entry) for number, entry in enumerate(content))


def read_json_lines(path: str) -> Captions:
    """The entries of `read_json_list`, one a line."""
    return _group_entries(load_json_lines(path))


def read_flickr_tokens(path: str) -> Captions:
    """Flickr8k.token.txt, results_20130124.token: `name.jpg#k<TAB>caption`."""
    return _group_lines(path, [_FLICKR_TOKEN], 'name.jpg#number<TAB>caption', skip=0)


def read_flickr30k_csv(path: str) -> Captions:
    """Flickr30k's results.csv: a header, then `name.jpg| number| caption`."""
    return _group_lines(path, [_FLICKR30K_ROW, _FLICKR30K_ROW_WITHOUT_BAR], 'name.jpg| number| caption', skip=1)


def read_table(path: str, columns: dict[str, str] | None = None) -> Captions:
    """A table with a header, separated by tabs if the header has one, else by commas.

    `columns=dict(image=..., caption=...)` names the columns; by default the first that exists of image, filepath and
    of caption, text, title.
    """
    captions: Captions = {}
    with open(path, encoding='utf-8-sig', newline='') as file:
        delimiter = '\t' if '\t' in file.readline() else ','
        file.seek(0)
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        header = next(rows, [])
        image, caption = table_columns(header, columns or {}, path)
        try:
            for row in rows:
                if not row:
                    continue
                check(
                    len(row) == len(header),
                    f'{path}:{rows.line_num}: expected the {len(header)} columns {header}, got {len(row)}',
                )
                captions.setdefault(row[image].strip(), []).append(row[caption].strip())
        except csv.Error as error:
            raise ValueError(f'{path}:{rows.line_num}: {error}; expected the columns {header}') from error
    return captions


def table_columns(header: list[str], columns: dict[str, str], path: str) -> tuple[int, int]:
    """Where the image and the caption stand in a table with this header."""
    unknown = columns.keys() - {'image', 'caption'}
    check(not unknown, f'columns: unknown {sorted(unknown)}; known are image and caption')
    names = [name.strip() for name in header]
    positions = []
    for key, defaults in (('image', IMAGE_COLUMNS), ('caption', CAPTION_COLUMNS)):
        wanted = (columns[key],) if key in columns else defaults
        found = [names.index(name) for name in wanted if name in names]
        check(
            bool(found),
            f'{path}:1: no column for the {key} ({" or ".join(wanted)}) in the header {names}; '
            f'set columns=dict({key}=...)',
        )
        positions.append(found[0])
    return positions[0], positions[1]


def read_folder(path: str) -> Captions:
    """A folder, at any depth, of pictures with texts beside them: `a.jpg` and `a.txt`, one caption a line.

    Names are absolute; a picture without a text has no captions.
    """
    captions: Captions = {}
    for folder, subfolders, names in os.walk(os.path.abspath(path)):
        subfolders.sort()
        texts = set(names)
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in IMAGE_SUFFIXES:
                lines = _lines(os.path.join(folder, f'{stem}.txt')) if f'{stem}.txt' in texts else ()
                captions[os.path.join(folder, name)] = [line.strip() for _, line in lines]
    check(bool(captions), f'{path}: no picture ({", ".join(IMAGE_SUFFIXES)}) in this folder')
    return captions


def read_names(path: str) -> list[str]:
    """A list of image names, one a line (Flickr_8k.trainImages.txt)."""
    return [line.strip() for _, line in _lines(path)]


def _group_entries(entries: Iterable[tuple[str, object]]) -> Captions:
    captions: Captions = {}
    for where, entry in entries:
        check(
            isinstance(entry, dict) and isinstance(entry.get('image'), str) and 'caption' in entry,
            f"{where}: expected an object with 'image' (a path) and 'caption'",
        )
        texts = [entry['caption']] if isinstance(entry['caption'], str) else entry['caption']
        check(
            isinstance(texts, list) and all(isinstance(text, str) for text in texts),
            f"{where}: 'caption' must be a string or a list of strings",
        )
        captions.setdefault(entry['image'], []).extend(text.strip() for text in texts)
    return captions


def _group_lines(path: str, patterns: list[re.Pattern], expected: str, skip: int) -> Captions:
    captions: Captions = {}
    for number, (where, line) in enumerate(_lines(path)):
        if number < skip:
            continue
        match = next((match for pattern in patterns if (match := pattern.fullmatch(line))), None)
        if match is None:
            raise ValueError(f'{where}: expected `{expected}`, got {line[:80]!r}')
        captions.setdefault(match['image'].strip(), []).append(match['caption'].strip())
    return captions


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """The lines that are not blank, each with its `file:line`."""
    with open(path, encoding='utf-8-sig') as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f'{path}:{number}', line.rstrip('\n')
