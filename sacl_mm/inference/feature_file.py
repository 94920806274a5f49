"""A Parquet file of image features that says which model made them.

A row is an image: path, id, captions, and its unit feature in float16. The file's metadata hold a `Maker`. While it is
written, its row groups are files of their own in a folder beside it, so that an interrupted run goes on where it was.

Shapes: N images, E embedding, k hits.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from torch import nn

from sacl_mm.checkpoints.weights import weights_hash
from sacl_mm.datasets.archives.parquet_archive import load_pyarrow as check_pyarrow
from sacl_mm.inference.gallery import GalleryImage
from sacl_mm.user_error import UserError

_KEY = b'sacl_mm'  # in the metadata


class Maker(NamedTuple):
    """What features are made with, and of."""

    checkpoint: str
    """Where it was; for the reader."""
    weights: str
    """The hash of both encoders' weights."""
    data: str
    """A hash of the images' names and captions."""


def data_hash(images: Sequence[GalleryImage]) -> str:
    """SHA-256 of paths and captions, in their order."""
    return hashlib.sha256(json.dumps(list(images)).encode()).hexdigest()


class FeatureWriter:
    """Writes row groups, in any number of runs.

    Args:
        path: of the file.
        maker: a run goes on with what the same one has begun.

    Raises:
        UserError: what is there has another maker, or pyarrow is missing.
    """

    def __init__(self, path: Path, maker: Maker) -> None:
        self.path, self.maker, self.arrow = path, maker, load_pyarrow()
        self.folder = path.with_name(f'{path.name}.parts')
        self.is_complete = path.exists()
        begun = self.folder / 'maker.json'
        if self.is_complete:
            self._check(FeatureFile(path).maker, path)
        elif begun.exists():
            self._check(Maker(**json.loads(begun.read_text())), self.folder)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            begun.write_text(json.dumps(maker._asdict()))

    def _check(self, before: Maker, place: Path) -> None:
        for what in ('weights', 'data'):
            if getattr(before, what) != getattr(self.maker, what):
                raise UserError(f"'{place}' was made with other {what}: delete it, or give another --out")

    def has(self, number: int) -> bool:
        """Whether row group `number` is written."""
        return self._part(number).exists()

    def write(self, number: int, images: Sequence[GalleryImage], features: np.ndarray, broken: Sequence[str]) -> None:
        """One row group; `features` (N, E), `broken` are the messages about images that are left out."""
        arrow, flat = self.arrow, np.ascontiguousarray(features, dtype=np.float16).reshape(-1)
        columns = dict(
            path=arrow.array([image.path for image in images], arrow.string()),
            id=arrow.array([image.id for image in images], arrow.int64()),
            captions=arrow.array([image.captions for image in images], arrow.list_(arrow.string())),
            feature=arrow.FixedSizeListArray.from_arrays(arrow.array(flat), features.shape[1]),
        )
        table = arrow.table(columns).replace_schema_metadata({_KEY: json.dumps(list(broken))})
        part = self._part(number)
        arrow.parquet.write_table(table, part.with_suffix('.new'))
        part.with_suffix('.new').replace(part)

    def finish(self, groups: int) -> list[str]:
        """Join the row groups to the file; the messages about images that are left out."""
        parquet, broken = self.arrow.parquet, list[str]()
        schema = parquet.read_schema(self._part(0)).with_metadata({_KEY: json.dumps(self.maker._asdict())})
        new = self.path.with_name(f'{self.path.name}.new')
        with parquet.ParquetWriter(new, schema) as writer:
            for number in range(groups):
                part = parquet.read_table(self._part(number))
                broken += json.loads(part.schema.metadata[_KEY])
                if len(part):
                    writer.write_table(part.replace_schema_metadata(schema.metadata), row_group_size=len(part))
        new.replace(self.path)
        shutil.rmtree(self.folder)
        return broken

    def _part(self, number: int) -> Path:
        return self.folder / f'{number:06}.parquet'


class FeatureFile:
    """A finished file.

    Raises:
        UserError: there is none, or it is another kind of file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(f"features '{path}' do not exist: tools/embed.py makes them")
        arrow = load_pyarrow()
        try:
            self.file = arrow.parquet.ParquetFile(path)
            self.maker = Maker(**json.loads(self.file.schema_arrow.metadata[_KEY]))
            self.width: int = self.file.schema_arrow.field('feature').type.list_size
        except (arrow.ArrowException, KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"'{path}' is no features file of tools/embed.py ({error or type(error).__name__})"
            ) from error
        self.path = path

    def __len__(self) -> int:
        return self.file.metadata.num_rows

    def check_made_by(self, towers: nn.Module, checkpoint: str | os.PathLike) -> None:
        """Raises UserError for other weights than those that made the features."""
        if weights_hash(towers.state_dict()) != self.maker.weights:
            raise UserError(
                f"'{self.path}' was made by another model than '{checkpoint}': by '{self.maker.checkpoint}'. "
                'Give that one as --model, or embed again'
            )

    def features(self) -> Iterator[np.ndarray]:
        """(N, E) float32, of unit length, a row group at a time."""
        for number in range(self.file.num_row_groups):
            column = self.file.read_row_group(number, columns=['feature'])['feature'].combine_chunks()
            rows = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.width).astype(np.float32)
            yield rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)

    def search(self, query: np.ndarray, k: int) -> list[tuple[float, int]]:
        """(cosine, row) of the best rows for a query (E,), best first."""
        scores = np.concatenate([rows @ query for rows in self.features()])
        best = np.argsort(-scores, kind='stable')[:k]
        return [(float(scores[row]), int(row)) for row in best]

    def images(self, rows: Sequence[int]) -> list[GalleryImage]:
        """The images in those rows."""
        table = self.file.read(columns=['path', 'id', 'captions']).take(list(rows))
        return [GalleryImage(**row) for row in table.to_pylist()]


def load_pyarrow() -> ModuleType:
    """pyarrow with its Parquet part."""
    check_pyarrow('a file of features')
    import pyarrow

    return pyarrow


def load_faiss() -> ModuleType:
    try:
        import faiss
    except ImportError:
        raise UserError('a FAISS index needs faiss-cpu: pip install -e .[search]') from None
    return faiss


def write_index(features: FeatureFile, path: Path) -> None:
    """A FAISS index of all features, by inner product; row i is the file's."""
    faiss = load_faiss()
    index = faiss.IndexFlatIP(features.width)
    for rows in features.features():
        index.add(rows)
    new = path.with_name(f'{path.name}.new')
    faiss.write_index(index, str(new))
    new.replace(path)


def search_index(features: FeatureFile, path: Path, query: np.ndarray, k: int) -> list[tuple[float, int]]:
    """As `FeatureFile.search`, by an index of `write_index`.

    Raises:
        UserError: no index, or of other features.
    """
    faiss = load_faiss()
    if not path.is_file():
        raise UserError(f"index '{path}' does not exist: tools/embed.py --faiss makes it")
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise UserError(f"'{path}' is no FAISS index") from error
    if (index.ntotal, index.d) != (len(features), features.width):
        raise UserError(
            f"index '{path}' has {index.ntotal} rows of {index.d} numbers, '{features.path}' {len(features)} of "
            f'{features.width}: make it again with tools/embed.py --faiss'
        )
    scores, rows = index.search(query[None], min(k, len(features)))
    return [(float(score), int(row)) for score, row in zip(scores[0], rows[0], strict=True)]
