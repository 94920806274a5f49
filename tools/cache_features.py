#!/usr/bin/env python
"""Run frozen encoders over a configuration's datasets once: `python tools/cache_features.py CONFIG OUT_DIR`.

The configuration has `image_encoder` and `text_encoder` (of MODELS), `data_preprocessor`, and `datasets`, a dict of name to
dataset in test mode (one image with all its texts); OUT_DIR/NAME.pt is written for each, for the dataset `CachedFeatures`.

An image's features are the mean and the maximum over the grid of the last stage and the mean of the other stages that the
backbone yields; a text's are the mean of its tokens. Each block is normalised to mean 0 and variance 1 per sample.

An image that cannot be read is left out with its texts and named, here and by `CachedFeatures`; the tool ends with an error.
"""

import argparse

from sacl_mm.command_line import CONFIG_HELP, parse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help=CONFIG_HELP)
    parser.add_argument('out_dir', help='where NAME.pt go; files that are there already are kept')
    parser.add_argument('--batch-size', type=int, default=25)
    parser.add_argument('--num-workers', type=int, default=0)
    parser.add_argument('--fp32', action='store_true', help='run the image encoder in float32 instead of bfloat16')
    return parse(parser)


def main() -> None:
    args = parse_args()
    # Here, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool
    from sacl_mm.inference.cached_features import cache_features

    run_tool(lambda: cache_features(args))


if __name__ == '__main__':
    main()
