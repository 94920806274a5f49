#!/usr/bin/env python
"""Both encoders of a trained model as ONNX files: `python tools/export_onnx.py MODEL --out DIR`.

DIR gets image.onnx, text.onnx, tokenizer.json and preprocessing.json, which says how images and texts are prepared.
"""

import argparse
import os
from pathlib import Path

from sacl_mm.user_error import printable


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help="a work dir, a model's folder or a checkpoint with its configuration beside it")
    parser.add_argument('--out', type=Path, required=True, help='the folder')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: export(args))


def export(args: argparse.Namespace) -> None:
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    from sacl_mm.inference import ImageTextInferencer
    from sacl_mm.inference.onnx_export import export_onnx

    export_onnx(ImageTextInferencer(args.model, device='cpu'), args.out)
    print(printable(f'{args.out}: image.onnx, text.onnx, tokenizer.json, preprocessing.json'))


if __name__ == '__main__':
    main()
