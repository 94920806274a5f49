#!/usr/bin/env python
"""Draw the embedded world into a folder in the layouts that mmpretrain's own datasets read; nothing is downloaded.

python projects/mmpretrain_reuse/make_data.py data/mmpretrain_reuse writes there

    train/three/00017.png    an image with three objects (`CustomDataset`: folders are classes); val/ likewise
    train.json, val.json     five captions an image, as COCO's annotation files (`COCORetrieval`)
    tokenizer/vocab.txt      the world's words (`BlipTokenizer`)
"""

import argparse
import json
from pathlib import Path

import cv2

from sacl_mm.datasets.shape_world import ShapeWorld, shape_world_vocabulary

CLASSES = {2: 'two', 3: 'three', 4: 'four', 5: 'five'}


def write_split(folder: Path, split: str, world: ShapeWorld) -> None:
    images, annotations = [], []
    for number, (scene, sample) in enumerate(zip(world.scenes, world, strict=True)):
        # COCORetrieval takes the last two parts of the address for the path.
        file = f'{CLASSES[len(scene.objects)]}/{number:05d}.png'
        path = folder / split / file
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), sample['img'])
        images.append(dict(id=sample['image_id'], coco_url=f'{split}/{file}'))
        for text_id, text in zip(sample['text_ids'], sample['text'], strict=True):
            annotations.append(dict(id=text_id, image_id=sample['image_id'], caption=text))
    (folder / f'{split}.json').write_text(json.dumps(dict(images=images, annotations=annotations)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='where to')
    parser.add_argument('--train', type=int, default=4096, help='number of training images')
    parser.add_argument('--val', type=int, default=200, help='number of validation images')
    args = parser.parse_args()
    for split, count, start in (('train', args.train, 0), ('val', args.val, 1_000_000)):
        write_split(args.folder, split, ShapeWorld(num_images=count, image_size=64, start=start, test_mode=True))
    (args.folder / 'tokenizer').mkdir(exist_ok=True)
    (args.folder / 'tokenizer/vocab.txt').write_text('\n'.join(shape_world_vocabulary()) + '\n')


if __name__ == '__main__':
    main()
