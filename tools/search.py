#!/usr/bin/env python
"""The images of a features file that fit a text or an image best: `python tools/search.py FEATURES QUERY --model MODEL`.

FEATURES is a file of `tools/embed.py`, and MODEL the model that made it. QUERY is a text, or the name of an image file.
"""

import argparse
import os
from pathlib import Path

from sacl_mm.user_error import UserError, printable


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('features', type=Path, help='a file of tools/embed.py')
    parser.add_argument('query', help='a text, or the name of an image file')
    parser.add_argument('--model', help='the model that made the features')
    parser.add_argument('-k', type=int, default=10, help='hits')
    parser.add_argument('--faiss', type=Path, help='an index of tools/embed.py --faiss')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: search(args))


def search(args: argparse.Namespace) -> None:
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sacl_mm.datasets.image_files import has_image_suffix
    from sacl_mm.inference import ImageTextInferencer
    from sacl_mm.inference.feature_file import FeatureFile, search_index
    from sacl_mm.inference.model_folder import find_model

    if args.k < 1:
        raise UserError(f'-k must be at least 1, got {args.k}')
    features = FeatureFile(args.features)
    if args.model is None:
        # Not opened unasked: a model's configuration is code, and the features are data.
        raise UserError(f"give the model as --model; '{args.features}' was made by '{features.maker.checkpoint}'")
    is_image = os.path.isfile(args.query)
    if not is_image and has_image_suffix(args.query):
        raise UserError(f"image '{args.query}' does not exist")
    cfg, checkpoint = find_model(args.model)
    inferencer = ImageTextInferencer(cfg, checkpoint)
    features.check_made_by(inferencer.model.towers, checkpoint)
    embed = inferencer.embed_images if is_image else inferencer.embed_texts
    try:
        query = embed([args.query])[0].numpy()
    except ValueError as error:
        raise UserError(str(error)) from error
    hits = search_index(features, args.faiss, query, args.k) if args.faiss else features.search(query, args.k)
    table = Table('score', 'image', 'captions')
    for (score, _), image in zip(hits, features.images([row for _, row in hits]), strict=True):
        table.add_row(
            f'{score:.3f}', *(Text(printable(x), overflow='fold') for x in (image.path, '; '.join(image.captions)))
        )
    Console().print(table)


if __name__ == '__main__':
    main()
