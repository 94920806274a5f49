#!/usr/bin/env python
"""Features of your own images, in a Parquet file to search in: `python tools/embed.py MODEL DATA --out features.parquet`.

DATA is a folder of images or a caption file of any format that `ImageTextPairs` reads. An interrupted run goes on where it
was. Images that cannot be read are left out and named.
"""

import argparse
import os
from pathlib import Path

from sacl_mm.user_error import BrokenSampleError, UserError, printable

_PER_GROUP = 1024  # images of a row group, which is what an interruption loses at most
_MAX_NAMED = 20


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', help="a work dir, a model's folder or a checkpoint with its configuration beside it")
    parser.add_argument('data', help='a folder of images, or a caption file')
    parser.add_argument('--out', type=Path, required=True, help='the features, *.parquet')
    parser.add_argument(
        '--images', help='folder that the names in a caption file start from (default: that of the file)'
    )
    parser.add_argument('--faiss', type=Path, help='also write a FAISS index')
    parser.add_argument('--batch-size', type=int, default=32)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: embed(args))


def embed(args: argparse.Namespace) -> None:
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    import numpy as np

    from sacl_mm.checkpoints.weights import weights_hash
    from sacl_mm.inference import ImageTextInferencer
    from sacl_mm.inference.feature_file import (
        FeatureFile,
        FeatureWriter,
        Maker,
        data_hash,
        load_faiss,
        load_pyarrow,
        write_index,
    )
    from sacl_mm.inference.gallery import Gallery
    from sacl_mm.inference.model_folder import find_model
    from sacl_mm.progress import progress

    load_pyarrow()
    if args.faiss:
        load_faiss()
    gallery = Gallery(args.data, args.images)
    images = [gallery.image(index) for index in range(len(gallery))]
    cfg, checkpoint = find_model(args.model)
    inferencer = ImageTextInferencer(cfg, checkpoint, batch_size=args.batch_size)
    towers = getattr(inferencer.model, 'towers', None)
    if towers is None or not towers.embed_dims:
        raise UserError(f"'{checkpoint}' has no features to compare: a model of retrieval or pre-training is needed")
    writer = FeatureWriter(args.out, Maker(str(checkpoint), weights_hash(towers.state_dict()), data_hash(images)))
    if writer.is_complete:
        print(printable(f'{args.out} is there already'))
        broken = []
    else:
        starts = range(0, len(images), _PER_GROUP)
        for number, start in enumerate(progress(starts, len(starts), f'embedding, {_PER_GROUP} images at a time')):
            if writer.has(number):
                continue
            read, pixels, messages = [], [], []
            features = [np.empty((0, towers.embed_dims), np.float16)]
            for index in range(start, min(start + _PER_GROUP, len(images))):
                try:
                    pixels.append(gallery.prepare_data(index)['img'])
                    read.append(images[index])
                except BrokenSampleError as error:
                    messages.append(str(error))
                if pixels and (len(pixels) == args.batch_size or index + 1 in (start + _PER_GROUP, len(images))):
                    features.append(inferencer.embed_images(pixels).half().numpy())
                    pixels = []
            writer.write(number, read, np.concatenate(features), messages)
        broken = writer.finish(len(starts))
    file = FeatureFile(args.out)
    for message in broken[:_MAX_NAMED]:
        print(f'left out: {printable(message)}')
    print(printable(f'{args.out}: {len(file):,} images, {file.width} numbers each; {len(broken):,} could not be read'))
    if args.faiss:
        write_index(file, args.faiss)
        print(printable(f'{args.faiss}: {len(file):,} images'))


if __name__ == '__main__':
    main()
