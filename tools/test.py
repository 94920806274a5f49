#!/usr/bin/env python
"""Measure a checkpoint: `python tools/test.py CONFIG CHECKPOINT [--out FILE.json --out-item metrics|pred]`."""

import argparse

from sacl_mm.command_line import CONFIG_HELP, add_common_arguments, parse
from sacl_mm.user_error import UserError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help=CONFIG_HELP)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='write predictions or metrics to this .json file')
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='what --out takes: the measures by name, or what the model returned for each sample (default: pred)',
    )
    add_common_arguments(parser)
    args = parse(parser)
    if args.out_item and not args.out:
        parser.error('--out-item needs --out FILE')
    return args


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: test(args))


def test(args: argparse.Namespace) -> None:
    from sacl_mm.engine.checks.files import PredictionFile, check_json_file, write_json
    from sacl_mm.engine.checks.weights import check_checkpoint
    from sacl_mm.engine.launch import build_runner, load_config

    if args.config.endswith(('.pth', '.pt')) or args.checkpoint.endswith('.py'):
        raise UserError(
            f"'{args.config}' is no configuration or '{args.checkpoint}' no checkpoint: the order is CONFIG CHECKPOINT"
        )
    if args.out:
        check_json_file(args.out, '--out')
    cfg = load_config(args, stage='test')
    check_checkpoint(args.checkpoint, 'checkpoint')
    cfg.load_from = args.checkpoint
    cfg.pop('shard', None)  # of a training
    if args.amp:
        cfg.test_cfg.fp16 = True
    runner = build_runner(cfg)
    if args.out and args.out_item != 'metrics':
        # First: what they are measured by may fail.
        runner.test_evaluator.metrics.insert(0, PredictionFile(args.out))
    metrics = runner.test()
    if args.out and args.out_item == 'metrics' and runner.rank == 0:
        write_json(args.out, metrics)


if __name__ == '__main__':
    main()
