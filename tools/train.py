#!/usr/bin/env python
"""Train a model: `python tools/train.py CONFIG [--work-dir DIR] [--resume] [--cfg-options key=value ...]`.

SIGTERM, SIGUSR1 and Ctrl-C finish the iteration, save and end; exit code 75 (130 after Ctrl-C) says that the same command with
--resume goes on with the next one.
"""

import argparse
import os

from mmengine.config import Config

from sacl_mm.command_line import CONFIG_HELP, add_common_arguments, parse
from sacl_mm.user_error import UserError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help=CONFIG_HELP)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        '--resume', nargs='?', const='auto', help='go on from this checkpoint, or from the newest one in the work dir'
    )
    begin.add_argument(
        '--overwrite', action='store_true', help='begin anew in a work dir that holds a training; its checkpoints go'
    )
    own = parser.add_argument_group('your own images', 'for configs/own/*.py')
    own.add_argument(
        '--data', metavar='PATH', help='a folder of images with captions, or a CSV, TSV, JSON, JSON lines, ... file'
    )
    own.add_argument(
        '--images', metavar='DIR', help='the folder that the names of images start from (default: found beside PATH)'
    )
    own.add_argument(
        '--val-split', metavar='FILE', help='names of the validation images, one a line (default: a tenth is drawn)'
    )
    parser.add_argument(
        '--policy', help='how negatives are treated: infonce, sacl, hn_nce, soft_targets or caption_weights'
    )
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate during training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by batch size / auto_scale_lr.base_batch_size',
    )
    parser.add_argument(
        '--no-persistent-workers', action='store_true', help='start data loader workers anew each epoch'
    )
    add_common_arguments(parser)
    return parse(parser)


def check_work_dir(cfg: Config) -> None:
    """Before the Runner writes its configuration there; once more when the training starts."""
    from sacl_mm.engine.work_dir import check_newest, check_overwritable, check_unused, locked

    if cfg.overwrite:
        check_overwritable(cfg.work_dir, cfg.get('load_from'), cfg.get('model', {}).get('reference_checkpoint'))
    elif not cfg.get('resume'):
        check_unused(cfg.work_dir)
    elif cfg.get('load_from'):
        check_newest(cfg.load_from, cfg.work_dir)
    with locked(cfg.work_dir):
        pass


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: train(args))


def train(args: argparse.Namespace) -> None:
    from torch import nn

    from sacl_mm.datasets.text_statistics import log_text_statistics
    from sacl_mm.engine.checks.optimizer_check import check_optimizer
    from sacl_mm.engine.checks.weights import check_checkpoint, check_pretrained_parts
    from sacl_mm.engine.launch import build_runner, check_start, default_work_dir, load_config, use_mixed_precision
    from sacl_mm.models.part_sizes import check_longest_text
    from sacl_mm.own_images.feature_cache import use_cached_features
    from sacl_mm.own_images.training import use_own_data, use_policy

    if args.policy and not args.work_dir:
        args.work_dir = f'{default_work_dir(args.config)}_{args.policy}'
    cfg = load_config(args)
    if args.policy:
        use_policy(cfg, args.policy)
    if args.data:
        is_policy_given = args.policy or any('contrastive_loss.policy' in key for key in args.cfg_options or ())
        use_own_data(cfg, args.data, args.images, args.val_split, choose_policy=not is_policy_given)
        cfg.merge_from_dict(args.cfg_options or {})  # what the user says wins over what fits the data
    elif args.images or args.val_split:
        raise UserError('--images and --val-split belong to --data')
    elif cfg.train_dataloader.dataset.get('ann_file') == '':  # of configs/_base_/datasets/own.py
        raise UserError('this configuration is for your own images: give --data PATH, a caption file or a folder')
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        use_mixed_precision(cfg)
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise UserError('--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the configuration')
        cfg.auto_scale_lr.enable = True
    if args.no_persistent_workers:
        cfg.train_dataloader.persistent_workers = False
    if args.resume == 'auto':
        # Without a checkpoint of this run the configuration's own start counts.
        cfg.resume, cfg.start_from, cfg.load_from = True, cfg.get('load_from'), None
    elif args.resume is not None:
        check_checkpoint(args.resume, 'checkpoint (--resume)')
        cfg.resume, cfg.load_from = True, args.resume
    cfg.overwrite = args.overwrite
    check_start(cfg)
    check_optimizer(cfg.optim_wrapper)
    if int(os.environ.get('RANK', os.environ.get('SLURM_PROCID', 0))) == 0:
        check_work_dir(cfg)
    if cfg.get('feature_cache'):
        use_cached_features(cfg)
    runner = build_runner(cfg)
    if isinstance(runner.model, nn.Module):  # else it is built, and checked, when weights are shared out
        check_pretrained_parts(runner.model)
    for statistics in log_text_statistics(runner.train_loop.dataloader.dataset, 'train_dataloader'):
        check_longest_text(runner.model, statistics.field, min(statistics.longest, statistics.max_length))
    runner.train()


if __name__ == '__main__':
    main()
