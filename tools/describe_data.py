#!/usr/bin/env python
"""A look before a training: `python tools/describe_data.py CONFIG`, or `... PATH [--images DIR] [--html data.html]`.

CONFIG: what its datasets hold, without opening an image. A table of each split's samples, texts and images, how many of these
are on disk, the first sample, what was repaired or skipped in the files, and what the tokenizer makes of the texts. Of
questions also what is right by always giving the answer that is most frequent in training.

PATH: a caption file or a folder of images with captions, as `tools/train.py --data` takes it. Numbers, sizes, what was skipped
and why, repeated captions, images that look alike, and how many of a batch's negatives are likely false.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sacl_mm.command_line import CONFIG_HELP, find_config, shipped
from sacl_mm.user_error import UserError, printable

SPLITS = ('train', 'val', 'test')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG|PATH', help=f'{CONFIG_HELP}; or a PATH')
    own = parser.add_argument_group('your own images and captions')
    own.add_argument('--images', metavar='DIR', help='the folder that the names of images start from (default: found)')
    own.add_argument('--batch-size', type=int, help='images of a batch (default: as configs/own/small.py takes them)')
    own.add_argument(
        '--html', metavar='FILE', type=Path, help='a page with the same tables and the likeliest false negatives'
    )
    args = parser.parse_args()
    if args.config.endswith('.py'):
        args.config = find_config(args.config)
    return args


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: show(args))


def show(args: argparse.Namespace) -> None:
    if not args.config.endswith('.py'):
        show_own_data(args)
    elif args.images or args.batch_size or args.html:
        raise UserError(f"--images, --batch-size and --html belong to a PATH; '{args.config}' is a configuration")
    else:
        show_config(args.config)


def show_own_data(args: argparse.Namespace) -> None:
    from sacl_mm.datasets.own_data import read_own_data
    from sacl_mm.engine.checks.config_file import config_from_file
    from sacl_mm.engine.checks.files import check_folder
    from sacl_mm.own_images.description import describe, training_batch
    from sacl_mm.progress import progress

    if args.batch_size is not None and args.batch_size < 2:
        raise UserError(f'--batch-size must be at least 2, got {args.batch_size}')
    if args.html:
        if args.html.suffix not in ('.html', '.htm'):
            raise UserError(f"--html '{args.html}' must end in .html")
        check_folder(args.html.parent, 'the folder of --html')
    data = read_own_data(
        args.config, args.images, lambda looked, total: progress(looked, total, 'looking at the images')
    )
    described = describe(
        data, args.batch_size or training_batch(config_from_file(str(shipped('configs') / 'own/small.py')), data)
    )
    console = Console(soft_wrap=True)
    for one in described.tables:
        table = Table(*one.columns, title=one.title, title_justify='left')
        for row in one.rows:
            table.add_row(*map(on_terminal, row))
        console.print(table)
        if one.note:
            console.print(on_terminal(one.note))
    for note in described.notes:
        console.print(on_terminal(note))
    if args.html:
        from sacl_mm.report.description import write_page

        write_page(described, args.html)
        console.print(f'page: {on_terminal(args.html.resolve())}')


def show_config(config: str) -> None:
    from mmengine.registry import DefaultScope

    from sacl_mm.datasets.dataset_description import COUNTS, describe_dataset
    from sacl_mm.engine.checks.config_file import config_from_file

    cfg = config_from_file(config)
    splits = {split: loader.dataset for split in SPLITS if (loader := cfg.get(f'{split}_dataloader')) is not None}
    if not splits:
        raise UserError(f"configuration '{config}' has no dataloader")
    if splits.get('test') == splits.get('val') is not None:
        splits['val and test'] = splits.pop('test')
        del splits['val']
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        described = {split: describe_dataset(dataset) for split, dataset in splits.items()}
    table = Table('split', 'dataset', *COUNTS, title=on_terminal(config))
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


def on_terminal(text: object) -> str:
    """What comes from files, without markup of rich and control characters."""
    return escape(printable(text))


if __name__ == '__main__':
    main()
