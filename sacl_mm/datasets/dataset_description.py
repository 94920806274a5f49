"""What a dataset of a configuration holds, without opening an image: for `tools/describe_data.py CONFIG`."""

import inspect
import os
from collections import Counter
from collections.abc import Sequence

from mmengine.dataset import Compose

from sacl_mm.datasets.image_files import is_file
from sacl_mm.datasets.text_statistics import statistics_of_samples
from sacl_mm.registry import DATASETS
from sacl_mm.user_error import UserError, printable

COUNTS = ('samples', 'texts', 'images', 'on disk')
_SAMPLES_TOKENIZED = 2000


def describe_dataset(dataset: dict) -> dict:
    """Counts of a dataset, or of several ones together."""
    if 'datasets' in dataset:
        parts = [describe_dataset(part) for part in dataset['datasets']]
        numbers = {name: sum(part[name] for part in parts) for name in COUNTS}
        answers: Counter[str] = sum((part['answers'] for part in parts), Counter())
        types = ' + '.join({part['type']: None for part in parts})
        notes = [line for part in parts for line in part['notes']]
        return dict(type=types, first=parts[0]['first'], answers=answers, notes=notes) | numbers
    built = dict(dataset, pipeline=[])
    if 'lazy_init' in inspect.signature(DATASETS.get(dataset['type'])).parameters:
        built['lazy_init'] = True  # images may be missing: that is what is to be told
    try:
        read = DATASETS.build(built)
        items = read.load_data_list()
    except ValueError as error:  # which the readers of files raise, in one line
        raise UserError(str(error)) from error
    report = getattr(read, 'reading_report', None)
    notes = [*(report.lines() if report else ()), *_about_texts(dataset.get('pipeline', ()), items)]
    paths = {path for item in items for path in _paths_of(item)}
    first = items[0]
    texts = first['text'] if isinstance(first['text'], list) else [first['text']]
    counts = (
        len(items),
        sum(len(item['text']) if isinstance(item['text'], list) else 1 for item in items),
        len(paths),
        sum(map(is_file, paths)),
    )
    words = [*(os.path.basename(path) for path in _paths_of(first)), texts[0], *first.get('gt_answer', [])]
    # Questions that people answered differently count for each answer.
    answers = Counter(answer for item in items for answer in set(item.get('gt_answer', [])))
    about = dict(type=dataset['type'], first=printable(' | '.join(words)), answers=answers, notes=notes)
    return about | dict(zip(COUNTS, counts, strict=True))


def _about_texts(pipeline: Sequence[dict], items: list[dict]) -> list[str]:
    """What the pipeline's tokenizers make of the texts."""
    steps = [step for step in pipeline if str(step['type']).endswith(('TokenizeText', 'CleanCaption'))]
    try:
        sample = items[:: -(-len(items) // _SAMPLES_TOKENIZED)]
        statistics = statistics_of_samples([(Compose(steps).transforms, sample)])
    except (FileNotFoundError, ValueError) as error:  # the counts are of use without the tokenizer, too
        return [f'the texts are not tokenized: {error}']
    return [line for one in statistics for line in (str(one), one.warning()) if line]


def _paths_of(item: dict) -> list[str]:
    """None of an image that is drawn."""
    paths = item.get('img_path', [])
    return paths if isinstance(paths, list) else [paths]
