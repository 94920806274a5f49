#!/usr/bin/env python
"""Measure a checkpoint: `python tools/test.py CONFIG CHECKPOINT [--out FILE --out-item metrics|pred]`."""

import argparse

import mmengine
from mmengine.evaluator import DumpResults

from sacl_mm.engine.checkpoint_check import check_checkpoint
from sacl_mm.engine.launch import add_common_arguments, build_runner, load_config, run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='configuration file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='write predictions or metrics to this file (.json, .yaml or .pkl)')
    parser.add_argument('--out-item', choices=['metrics', 'pred'], help='what --out takes (default: pred)')
    add_common_arguments(parser)
    args = parser.parse_args()
    if args.out_item and not args.out:
        parser.error('--out-item needs --out FILE')
    return args


def main() -> None:
    args = parse_args()
    check_checkpoint(args.checkpoint, 'checkpoint')
    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    cfg.pop('shard', None)  # of a training
    if args.amp:
        cfg.test_cfg.fp16 = True
    runner = build_runner(cfg)
    if args.out and args.out_item != 'metrics':
        runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
    metrics = runner.test()
    if args.out and args.out_item == 'metrics' and runner.rank == 0:
        mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    run_tool(main)
