#!/usr/bin/env python
"""From own files to a searchable model and a page, in six formats: `python tools/benchmarks/own_images.py TOKENS IMAGES`.

TOKENS is a Flickr token file, IMAGES its folder. The first `--count` images are written anew as a folder with texts, a CSV as
Excel writes it, COCO's JSON, Hugging Face's metadata.jsonl, Parquet and WebDataset; each goes through `tools/train.py
configs/own/small.py --data` and `tools/explore.py --html`. Prints the commands, their time, and the score.
"""

import argparse
import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
Captions = dict[str, list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('tokens', type=Path)
    parser.add_argument('images', type=Path)
    parser.add_argument('--count', type=int, default=600)
    args = parser.parse_args()
    captions = read_tokens(args.tokens, args.images, args.count)
    with tempfile.TemporaryDirectory() as folder:
        for name, write in FORMATS.items():
            place = Path(folder, name)
            place.mkdir()
            try_format(name, write(place, captions, args.images), place)


def read_tokens(tokens: Path, images: Path, count: int) -> Captions:
    captions: Captions = {}
    for line in tokens.read_text(encoding='utf-8').splitlines():
        name, caption = line.split('\t')
        if (images / name.split('#')[0]).is_file():
            captions.setdefault(name.split('#')[0], []).append(caption)
    return dict(list(captions.items())[:count])


def folder(place: Path, captions: Captions, images: Path) -> Path:
    for name, texts in captions.items():
        shutil.copy(images / name, place)
        (place / name).with_suffix('.txt').write_text('\n'.join(texts) + '\n')
    return place


def excel_csv(place: Path, captions: Captions, images: Path) -> Path:
    copy_images(place / 'images', captions, images)
    with open(place / 'captions.csv', 'w', encoding='utf-8-sig', newline='') as file:
        writer = csv.writer(file, delimiter=';', quoting=csv.QUOTE_ALL)
        writer.writerow(['Image', 'Caption'])
        writer.writerows([name, text] for name, texts in captions.items() for text in texts)
    return place / 'captions.csv'


def coco(place: Path, captions: Captions, images: Path) -> Path:
    copy_images(place / 'images', captions, images)
    numbered = list(enumerate(captions.items()))
    content = dict(
        images=[dict(id=number, file_name=name) for number, (name, _) in numbered],
        annotations=[
            dict(id=10 * number + k, image_id=number, caption=text)
            for number, (_, texts) in numbered
            for k, text in enumerate(texts)
        ],
    )
    (place / 'captions.json').write_text(json.dumps(content))
    return place / 'captions.json'


def metadata(place: Path, captions: Captions, images: Path) -> Path:
    copy_images(place, captions, images)
    rows = [dict(file_name=name, text=text) for name, texts in captions.items() for text in texts]
    (place / 'metadata.jsonl').write_text('\n'.join(map(json.dumps, rows)) + '\n')
    return place


def parquet(place: Path, captions: Captions, images: Path) -> Path:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        dict(
            image=[dict(bytes=(images / name).read_bytes(), path=name) for name in captions],
            caption=list(captions.values()),
        )
    )
    pyarrow.parquet.write_table(table, place / 'train.parquet', row_group_size=100)
    return place / 'train.parquet'


def webdataset(place: Path, captions: Captions, images: Path) -> Path:
    with tarfile.open(place / 'shard-000000.tar', 'w') as archive:
        for number, (name, texts) in enumerate(captions.items()):
            for suffix, content in (('jpg', (images / name).read_bytes()), ('txt', '\n'.join(texts).encode())):
                info = tarfile.TarInfo(f'{number:06d}.{suffix}')
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return place


FORMATS: dict[str, Callable[[Path, Captions, Path], Path]] = dict(
    folder=folder, csv=excel_csv, coco=coco, metadata=metadata, parquet=parquet, webdataset=webdataset
)


def copy_images(place: Path, captions: Captions, images: Path) -> None:
    place.mkdir(exist_ok=True)
    for name in captions:
        shutil.copy(images / name, place)


def try_format(name: str, data: Path, place: Path) -> None:
    run = place / 'run'
    commands = [
        ['tools/train.py', 'configs/own/small.py', '--data', data, '--work-dir', run],
        ['tools/explore.py', run, '--html', place / 'page.html'],
    ]
    print(f'== {name}', flush=True)
    start = time.monotonic()
    for command in commands:
        words = [str(word).replace(f'{place}', name) for word in command]
        print(f'$ python {shlex.join(words)}', flush=True)
        options = ['--cfg-options', f'feature_cache={place / "features"}'] if command[0] == 'tools/train.py' else []
        done = subprocess.run(
            [sys.executable, *map(str, [*command, *options])], cwd=ROOT, capture_output=True, text=True
        )
        for line in done.stdout.splitlines():
            if re.search(r' read$|to train,|cannot be read', line):
                print(line.replace(str(place), name))
        if done.returncode:
            sys.exit(done.stderr.splitlines()[-1])
        scores = re.findall(r'retrieval/R@mean: ([\d.]+)', done.stdout)
        if scores:
            print(f'mean recall {scores[-1]} % of {len(scores)} validations, {time.monotonic() - start:.0f} s so far')
    size = (place / 'page.html').stat().st_size
    print(f'{name}: {len(commands)} commands, {time.monotonic() - start:.0f} s, page of {size:,} bytes')


if __name__ == '__main__':
    main()
