"""Whatever opens images opens those inside archives: the inferencer, the tools, the report."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from archive_examples import write_parquet, write_tar
from inferencers import arrays, load

from sacl_mm.datasets.dataset_description import describe_dataset
from sacl_mm.report.retrieval import ValidationImages


def in_archive(folder: Path, kind: str) -> list[str]:
    """Paths of the world's images inside a tar archive or a Parquet file."""
    contents = [cv2.imencode('.png', image)[1].tobytes() for image in arrays()]
    texts = [f'a star {number}' for number in range(len(contents))]
    if kind == 'tar':
        texts_of = {f'{n}.txt': text.encode() for n, text in enumerate(texts)}
        path = write_tar(folder / 'x.tar', {f'{n}.png': content for n, content in enumerate(contents)} | texts_of)
        return [f'{path}/{n}.png' for n in range(len(contents))]
    pytest.importorskip('pyarrow')
    path = write_parquet(folder / 'x.parquet', dict(image=contents, caption=texts))
    return [f'{path}/image/{n}' for n in range(len(contents))]


@pytest.fixture(params=['tar', 'parquet'])
def paths(request, tmp_path: Path) -> list[str]:
    return in_archive(tmp_path, request.param)


def ann_file(path: str) -> str:
    return path[: path.index('/', path.index('/x.') + 1)]


def test_the_inferencer(paths: list[str], tmp_path: Path) -> None:
    inferencer, _ = load(tmp_path, 'DualEncoder')
    assert torch.equal(inferencer.embed_images(paths), inferencer.embed_images(arrays()))
    missing = f'{ann_file(paths[0])}/image/999.png'
    with pytest.raises(FileNotFoundError, match=r'images\[1\].*999\.png. does not exist'):
        inferencer.embed_images([paths[0], missing])


def test_describe_data(paths: list[str]) -> None:
    about = describe_dataset(dict(type='ImageTextPairs', ann_file=ann_file(paths[0])))
    assert (about['samples'], about['images'], about['on disk']) == (len(paths),) * 3


def test_a_thumbnail_of_the_report(paths: list[str]) -> None:
    images = ValidationImages.__new__(ValidationImages)
    images.world, images.paths, images.image_ids_N = None, [paths[0], f'{ann_file(paths[0])}/x.png'], np.arange(2)
    assert images.thumbnail(0, 20).source
    assert images.thumbnail(1, 20).source is None
