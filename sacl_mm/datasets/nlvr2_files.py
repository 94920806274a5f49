"""Reader of statements about pairs of images: NLVR2's files, ALBEF's lists and one's own."""

import itertools
import os
import re
from typing import TypedDict

from sacl_mm.datasets.annotation_fields import (
    FieldError,
    check,
    identity_field,
    image_name,
    list_field,
    numbered,
    read_entries,
    shown,
    text_field,
    whole_text,
)
from sacl_mm.datasets.text_files import beginning, load_json_lines, load_json_list, read_bytes
from sacl_mm.reading_report import ReadingReport

_LABELS = {'True': 1, 'False': 0, True: 1, False: 0, None: -1}
_OFFICIAL_IDENTIFIER = re.compile(r'(?P<stem>.+-\d+-\d+)-\d+')
_OFFICIAL_NAME = re.compile(r'(?P<set>.+-\d+)-(?P<pair>\d+)-img0\.\w+')
_EXPECTED = (
    "'sentence', 'label' ('True' or 'False') and 'images', [left, right], or an 'identifier', split-set-pair-sentence, "
    'that they are named after'
)


class Pair(TypedDict):
    """A statement about two images; `directory` is '' where there is none, `label` -1."""

    images: list[str]
    directory: str
    sentence: str
    label: int
    identifier: str


def read_pairs(path: str, report: ReadingReport | None = None) -> list[Pair]:
    """The statements of a file, each an object on a line or in one list: 'sentence', 'label' ('True', 'False' or absent) and

    * as published, 'identifier': 'dev-850-0-0', in train also 'directory'; the images are `dev-850-0-img0.png` and
      `dev-850-0-img1.png`;
    * as in ALBEF's lists, and of one's own, 'images': [left, right], perhaps with an 'identifier' of any form. Without one it
      follows from the left image's name, pairs and sentences of a name being numbered as they come: no two statements share
      one, and images named as NLVR2's get NLVR2's.

    Raises:
        FileNotFoundError, AnnotationError: with the file and the line or entry.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f'the file {path} does not exist; check ann_file and data_root')
    report = report or ReadingReport(path)
    if beginning(read_bytes(path, 1 << 10)).startswith('['):
        entries = numbered(load_json_list(path), f'{path}: entry')
    else:
        entries = load_json_lines(path)

    pairs: list[Pair] = []
    place_of: dict[str, str] = {}
    for where, pair in read_entries(entries, _EXPECTED, _pair):
        identifier = pair['identifier']
        check(
            identifier not in place_of,
            f'{where}: the identifier {identifier!r} occurs twice, first in {place_of.get(identifier)}',
        )
        if identifier:
            place_of[identifier] = where
        pair['sentence'] = whole_text(pair['sentence'], report, where)
        pairs.append(pair)
    _identify(pairs, set(place_of), path, report)
    return pairs


def _pair(entry: dict) -> Pair:
    label = entry.get('label')
    if not isinstance(label, (str, bool, int, type(None))) or label not in _LABELS:
        raise FieldError(f"'label' must be 'True' or 'False', it is {shown(label)}")
    identifier = str(identity_field(entry, 'identifier')) if entry.get('identifier') is not None else ''
    if 'images' in entry:
        images = list_field(entry, 'images')
        if len(images) != 2 or not all(isinstance(name, str) for name in images):
            raise FieldError(f"'images' must be the names of two images, it is {shown(images)}")
    else:
        match = _OFFICIAL_IDENTIFIER.fullmatch(identifier)
        if match is None:
            raise FieldError(f"no 'images', and identifier {identifier!r} does not tell their names")
        images = [f'{match["stem"]}-img{side}.png' for side in range(2)]
    directory = '' if 'images' in entry or 'directory' not in entry else str(identity_field(entry, 'directory'))
    return Pair(
        images=[image_name(name) for name in images],
        directory=directory,
        sentence=text_field(entry, 'sentence'),
        label=_LABELS[label],
        identifier=identifier,
    )


def _identify(pairs: list[Pair], taken: set[str], path: str, report: ReadingReport) -> None:
    """Give each pair without an identifier its own, 'split-set-pair-sentence' where the images are named as NLVR2's."""
    pair_numbers: dict[str, dict[tuple[str, ...], int]] = {}
    sentence_numbers: dict[str, dict[str, int]] = {}
    label_of: dict[tuple[str, ...], int] = {}
    for pair in pairs:
        statement = (*pair['images'], pair['sentence'])
        if statement in label_of:
            opposed = label_of[statement] != pair['label']
            reason = 'statements that come again' + ' with another label' * opposed
            report.notice(reason, f'{path}: {pair["sentence"]!r} about {", ".join(pair["images"])}')
        label_of.setdefault(statement, pair['label'])
        if pair['identifier']:
            continue
        group, number = _set_and_pair(pair['images'])
        if number is None:
            known = pair_numbers.setdefault(group, {})
            number = str(known.setdefault(tuple(pair['images']), len(known)))
        sentences = sentence_numbers.setdefault(group, {})
        sentence = sentences.setdefault(pair['sentence'], len(sentences))
        first = f'{group}-{number}-{sentence}'
        names = itertools.chain([first], (f'{first}-again{count}' for count in itertools.count(1)))
        pair['identifier'] = next(name for name in names if name not in taken)
        taken.add(pair['identifier'])


def _set_and_pair(images: list[str]) -> tuple[str, str | None]:
    """'dev-850' and '0' of `dev-850-0-img0.png` and its twin, else the left image's name and None."""
    left, right = (os.path.basename(name) for name in images)
    match = _OFFICIAL_NAME.fullmatch(left)
    if match and right == left.replace('-img0.', '-img1.'):
        return match['set'], match['pair']
    return os.path.splitext(left)[0], None
