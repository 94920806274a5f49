#!/usr/bin/env python
"""What a configuration's datasets hold, without opening an image: `python tools/describe_data.py CONFIG`.

A table of each split's samples, texts and images, how many of these are on disk, the first sample, what was repaired or
skipped in the files, and what the tokenizer makes of the texts: a look before a training whether one's own files are read
as they were meant. Of questions also what is right by always giving the answer
that is most frequent in training.
"""

import argparse
import inspect
import os
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sacl_mm.command_line import CONFIG_HELP, parse
from sacl_mm.user_error import UserError, printable

SPLITS = ('train', 'val', 'test')
_SAMPLES_TOKENIZED = 2000
COUNTS = ('samples', 'texts', 'images', 'on disk')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help=CONFIG_HELP)
    return parse(parser)


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: show(args))


def show(args: argparse.Namespace) -> None:
    from mmengine.registry import DefaultScope

    from sacl_mm.engine.checks.config_file import config_from_file

    cfg = config_from_file(args.config)
    splits = {split: loader.dataset for split in SPLITS if (loader := cfg.get(f'{split}_dataloader')) is not None}
    if not splits:
        raise UserError(f"configuration '{args.config}' has no dataloader")
    if splits.get('test') == splits.get('val') is not None:
        splits['val and test'] = splits.pop('test')
        del splits['val']
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        described = {split: describe(dataset) for split, dataset in splits.items()}
    table = Table('split', 'dataset', *COUNTS, title=on_terminal(args.config))
    for split, about in described.items():
        table.add_row(split, on_terminal(about['type']), *(f'{about[name]:,}' for name in COUNTS))
    console = Console(soft_wrap=True)
    console.print(table)
    for split, about in described.items():
        console.print(f'{split}, first sample: {on_terminal(about["first"])}')
        for line in about['notes']:
            console.print(f'{split}, {on_terminal(line)}')
    if described.get('train', {}).get('answers'):
        answer, _ = described['train']['answers'].most_common(1)[0]
        shares = (f'{about["answers"][answer] / about["samples"]:.1%} of {split}' for split, about in described.items())
        console.print(f'most frequent answer in training: {on_terminal(answer)}; it answers {", ".join(shares)}')


def on_terminal(text: str) -> str:
    """What comes from files, without markup of rich and control characters."""
    return escape(printable(text))


def describe(dataset: dict) -> dict:
    """Counts of a dataset, or of several ones together."""
    if 'datasets' in dataset:
        parts = [describe(part) for part in dataset['datasets']]
        numbers = {name: sum(part[name] for part in parts) for name in COUNTS}
        answers = sum((part['answers'] for part in parts), Counter())
        types = ' + '.join({part['type']: None for part in parts})
        notes = [line for part in parts for line in part['notes']]
        return dict(type=types, first=parts[0]['first'], answers=answers, notes=notes) | numbers
    from sacl_mm.datasets.image_files import is_file
    from sacl_mm.registry import DATASETS

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
    paths = {path for item in items for path in paths_of(item)}
    first = items[0]
    texts = first['text'] if isinstance(first['text'], list) else [first['text']]
    counts = (
        len(items),
        sum(len(item['text']) if isinstance(item['text'], list) else 1 for item in items),
        len(paths),
        sum(map(is_file, paths)),
    )
    words = [*(os.path.basename(path) for path in paths_of(first)), texts[0], *first.get('gt_answer', [])]
    # Questions that people answered differently count for each answer.
    answers = Counter(answer for item in items for answer in set(item.get('gt_answer', [])))
    about = dict(type=dataset['type'], first=printable(' | '.join(words)), answers=answers, notes=notes)
    return about | dict(zip(COUNTS, counts, strict=True))


def _about_texts(pipeline: Sequence[dict], items: list[dict]) -> list[str]:
    """What the pipeline's tokenizers make of the texts."""
    from mmengine.dataset import Compose

    from sacl_mm.datasets.text_statistics import statistics_of_samples

    steps = [step for step in pipeline if str(step['type']).endswith(('TokenizeText', 'CleanCaption'))]
    try:
        sample = items[:: -(-len(items) // _SAMPLES_TOKENIZED)]
        statistics = statistics_of_samples([(Compose(steps).transforms, sample)])
    except (FileNotFoundError, ValueError) as error:  # the counts are of use without the tokenizer, too
        return [f'the texts are not tokenized: {error}']
    return [line for one in statistics for line in (str(one), one.warning()) if line]


def paths_of(item: dict) -> list[str]:
    """None of an image that is drawn."""
    paths = item.get('img_path', [])
    return paths if isinstance(paths, list) else [paths]


if __name__ == '__main__':
    main()
