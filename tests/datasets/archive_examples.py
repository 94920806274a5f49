"""The same images and captions in every format that is read."""

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

COUNT = 200


def images(count: int = COUNT, side: int = 32) -> dict[str, bytes]:
    """PNGs of noise by name, in order."""
    noise = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    contents = {}
    for number in range(count):
        file = io.BytesIO()
        Image.fromarray(noise[number]).save(file, 'PNG')
        contents[f'{number:04d}.png'] = file.getvalue()
    return contents


def captions(count: int = COUNT) -> dict[str, list[str]]:
    """One or two captions an image, of the embedded world's words."""
    colours, shapes = ('red', 'green', 'blue', 'yellow'), ('star', 'circle', 'square', 'triangle')
    one = [f'a {colours[n % 4]} {shapes[n // 4 % 4]}' for n in range(count)]
    return {f'{n:04d}.png': [one[n], f'two {shapes[n % 4]}s; "large"'][: 1 + n % 2] for n in range(count)}


def write_tar(path: Path, members: dict[str, bytes], **options) -> str:
    with tarfile.open(path, options.pop('mode', 'w'), **options) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return str(path)


def write_files(folder: Path, contents: dict[str, bytes | str]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def write_parquet(path: Path, table: dict, **options) -> str:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(table), path, **options)
    return str(path)


def rows(encoding: str = 'utf-8', **options) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, **options)
    writer.writerow(['image', 'caption'])
    writer.writerows((name, text) for name, texts in captions().items() for text in texts)
    return file.getvalue().encode(encoding)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def _coco() -> bytes:
    listed = [dict(id=7 * n, file_name=name) for n, name in enumerate(captions())]
    texts = [dict(image_id=7 * n, caption=text) for n, texts in enumerate(captions().values()) for text in texts]
    return as_json(dict(images=listed, annotations=texts))


def _karpathy() -> bytes:
    return as_json(
        dict(
            images=[
                dict(filename=name, split='train', sentences=[dict(raw=text) for text in texts])
                for name, texts in captions().items()
            ]
        )
    )


_FILES = {
    'CSV with BOM and semicolon': lambda: rows('utf-8-sig', delimiter=';'),
    'CSV with sep=;': lambda: b'sep=;\r\n' + rows(delimiter=';'),
    'quoted CSV': lambda: rows(quoting=csv.QUOTE_ALL),
    'TSV': lambda: rows(delimiter='\t'),
    "Excel's Unicode text": lambda: rows('utf-16', delimiter='\t'),
    'ALBEF JSON': lambda: as_json([dict(image=name, caption=texts) for name, texts in captions().items()]),
    'COCO JSON': _coco,
    'Karpathy JSON': _karpathy,
    'JSON lines': lambda: b'\n'.join(as_json(dict(image=name, caption=texts)) for name, texts in captions().items()),
    'Flickr tokens': lambda: ''.join(
        f'{name}#{n}\t{text}\n' for name, texts in captions().items() for n, text in enumerate(texts)
    ).encode(),
}
FORMATS = (
    *_FILES, 'sidecars', 'metadata.jsonl', 'metadata.csv', 'metadata.parquet', 'Parquet with names', 'Parquet with bytes',
    'Parquet with structs', 'Parquet shards', 'WebDataset', 'WebDataset with JSON', 'WebDataset shards', 'names in a tar',
)  # fmt: skip
NEED_PYARROW = tuple(name for name in FORMATS if 'arquet' in name)


def write(folder: Path, format: str) -> dict:
    """What `ImageTextPairs` takes to read the format from the folder."""
    names, texts, contents = list(captions()), list(captions().values()), images()
    table = dict(image=names, caption=texts)
    if format in _FILES or format == 'Parquet with names':
        write_files(folder / 'images', contents)
        path = folder / ('pairs.parquet' if format not in _FILES else 'pairs.txt')
        if format in _FILES:
            path.write_bytes(_FILES[format]())
        else:
            write_parquet(path, table)
        return dict(ann_file=str(path), data_prefix=dict(img_path=str(folder / 'images')))
    if format == 'names in a tar':
        write_tar(folder / 'images.tar', {f'./{name}': content for name, content in contents.items()})
        (folder / 'pairs.json').write_bytes(_coco())
        return dict(ann_file='pairs.json', data_root=str(folder), data_prefix=dict(img_path='images.tar'))
    if format == 'sidecars':
        sidecars = {f'{name[:-4]}.txt': '\n'.join(texts) for name, texts in captions().items()}
        return dict(ann_file=write_files(folder / 'images', contents | sidecars))
    if format.startswith('metadata'):
        write_files(folder / 'images', contents)
        if format.endswith('jsonl'):
            lines = [as_json(dict(file_name=name, text=texts)) for name, texts in captions().items()]
            (folder / 'images' / format).write_bytes(b'\n'.join(lines))
        elif format.endswith('csv'):
            (folder / 'images' / format).write_bytes(rows().replace(b'image,', b'file_name,', 1))
        else:
            write_parquet(folder / 'images' / format, dict(file_name=names, text=texts))
        return dict(ann_file=str(folder / 'images'))
    if format.startswith('Parquet'):
        if format == 'Parquet with bytes':
            return dict(ann_file=write_parquet(folder / 'a.parquet', table | dict(image=list(contents.values()))))
        structs = [dict(bytes=content, path=name) for name, content in contents.items()]
        if format == 'Parquet with structs':
            return dict(ann_file=write_parquet(folder / 'a.parquet', table | dict(image=structs), row_group_size=30))
        for number in range(4):
            part = slice(50 * number, 50 * (number + 1))
            write_parquet(folder / f'train-{number}-of-4.parquet', dict(image=structs[part], caption=texts[part]))
        return dict(ann_file=str(folder))
    members = {}
    for name, content in contents.items():
        text = captions()[name]
        json_part = {f'{name[:-4]}.json': as_json(dict(caption=text, width=32))}
        members[name] = {name: content} | (
            json_part if format.endswith('JSON') else {f'{name[:-4]}.txt': '\n'.join(text).encode()}
        )
    for number in range(4 if format.endswith('shards') else 1):
        part = names[50 * number : 50 * (number + 1)] if format.endswith('shards') else names
        write_tar(folder / f'{number:05d}.tar', {k: v for name in part for k, v in members[name].items()})
    return dict(ann_file=str(folder if format.endswith('shards') else folder / '00000.tar'))
