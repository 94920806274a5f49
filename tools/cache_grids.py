#!/usr/bin/env python
"""Run a frozen backbone over a folder of images once: `python tools/cache_grids.py CONFIG OUT_FOLDER`.

The configuration has `images` (a folder), `pipeline` (ends with `mmpretrain.PackInputs`), `data_preprocessor` and
`image_encoder` (of MODELS). OUT_FOLDER/NAME.npy, for the transform `LoadImageGrid`, is the grid (H, W, C), float16, of
NAME.jpg: the stages that the backbone yields, each averaged to the last one's H x W, one after the other along C. Of a
backbone that yields a sequence (a ViT, `out_type='raw'`) it is the last layer's tokens (N, C), for `LoadImageTokens`.

Grids that are there already are kept: after an interruption, the same command goes on.
"""

import argparse

from mmengine.config import DictAction

from sacl_mm.command_line import CONFIG_HELP, parse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help=CONFIG_HELP)
    parser.add_argument('out_folder', help='where NAME.npy go')
    parser.add_argument('--batch-size', type=int, default=25, help='1 for images that the pipeline leaves unequal')
    parser.add_argument('--num-workers', type=int, default=0)
    parser.add_argument('--fp32', action='store_true', help='run the backbone in float32 instead of bfloat16')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override settings of the configuration, as key=value'
    )
    return parse(parser)


def main() -> None:
    args = parse_args()
    # Here, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool
    from sacl_mm.inference.cached_grids import cache_grids

    run_tool(lambda: cache_grids(args))


if __name__ == '__main__':
    main()
