#!/usr/bin/env python
"""The closed list of answers that a VQA model chooses from: `python tools/make_answer_list.py CONFIG OUT.json [--at-least N]`.

From the most frequent answer down. A training question counts once, for the answer that most of its annotators gave; Visual
Genome's, which one person answered in words of their own, do not count. So VQAv2's usual list is made, of what answers at
least 9 questions of train and val, but here from answers as they are written in its files. ALBEF's list has 3,128; ours was
not made from those files.
"""

import argparse
from collections import Counter

from sacl_mm.command_line import CONFIG_HELP, parse
from sacl_mm.user_error import UserError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help=CONFIG_HELP + '; with a training set of questions')
    parser.add_argument('out', help='JSON file to write')
    parser.add_argument(
        '--at-least', type=int, default=9, help='how many questions it must be the answer to (default: 9)'
    )
    args = parse(parser)
    if args.at_least < 1:
        parser.error(f'--at-least must be at least 1, got {args.at_least}')
    return args


def count_answers(dataset) -> Counter:
    """Of how many questions each answer is the most frequent one."""
    from mmengine.dataset import ConcatDataset

    from sacl_mm.datasets.question_files import VISUAL_GENOME_WEIGHT

    if isinstance(dataset, ConcatDataset):
        return sum((count_answers(part) for part in dataset.datasets), Counter())
    counts: Counter = Counter()
    for index in range(len(dataset)):
        question = dataset.get_data_info(index)
        if 'gt_answer_weight' not in question:
            raise UserError(f'{type(dataset).__name__} holds no answers: is it a training set of questions?')
        weights = question['gt_answer_weight']
        if sum(weights) > VISUAL_GENOME_WEIGHT:
            counts[question['gt_answer'][weights.index(max(weights))]] += 1
    return counts


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: make_list(args))


def make_list(args: argparse.Namespace) -> None:
    from mmengine.registry import DefaultScope

    from sacl_mm.engine.checks.config_check import check_config
    from sacl_mm.engine.checks.config_file import config_from_file
    from sacl_mm.engine.checks.files import check_json_file, write_json
    from sacl_mm.registry import DATASETS

    check_json_file(args.out, 'the answer list')
    cfg = config_from_file(args.config)
    check_config(cfg)
    if not isinstance(cfg.get('train_dataloader'), dict) or 'dataset' not in cfg.train_dataloader:
        raise UserError(f"configuration '{args.config}' has no train_dataloader with a dataset")
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        counts = count_answers(DATASETS.build(_without_pipeline(cfg.train_dataloader.dataset)))
    kept = [answer for answer, number in counts.most_common() if number >= args.at_least]
    if not kept:
        found = ''.join(f"; the most frequent, '{answer}', of {number}" for answer, number in counts.most_common(1))
        raise UserError(f'no answer is that of {args.at_least} questions{found}')
    write_json(args.out, kept, indent=0)
    share = sum(counts[answer] for answer in kept) / sum(counts.values())
    print(
        f'{len(kept):,} of {len(counts):,} answers, those of {100 * share:.1f} % of the questions, written to {args.out}'
    )


def _without_pipeline(dataset: dict) -> dict:
    """Nothing is loaded or tokenized for counting."""
    if 'datasets' in dataset:
        return dict(dataset, datasets=[_without_pipeline(part) for part in dataset['datasets']])
    return dict(dataset, pipeline=[])


if __name__ == '__main__':
    main()
