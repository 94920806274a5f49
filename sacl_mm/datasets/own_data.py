"""One's own images and captions: where a caption file's images are, which can be read, and what is kept for validation."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from sacl_mm.datasets.caption_files import read_names
from sacl_mm.datasets.caption_formats import read_captions
from sacl_mm.datasets.image_files import AllowedFolders, FolderListing
from sacl_mm.datasets.image_hash import difference_hash, near_duplicates
from sacl_mm.datasets.transforms.load_image import LoadImage
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError, BrokenSampleError

_FOLDERS = ('', 'images', 'Images', 'image', 'imgs', 'img', 'photos', 'train', 'data')
_LOOKED_AT = 200
_VALIDATION_SHARE, _MOST_VALIDATION_IMAGES = 0.1, 1000
_THREADS = 4
_Look: TypeAlias = tuple[int, tuple[int, int]]  # hash and size


@dataclass
class OwnData:
    """`names`: of the images that can be read, as the caption file has them, in its order; `hashes`: theirs (dHash); `sizes`:
    their height and width in pixels, as they are shown."""

    ann_file: str
    image_folder: str
    names: list[str]
    captions: dict[str, list[str]]
    hashes: list[int]
    sizes: list[tuple[int, int]]
    report: ReadingReport


def read_own_data(
    path: str, images: str | None = None, show: Callable[[Iterable, int], Iterable] | None = None
) -> OwnData:
    """Read a caption file, or a folder of images with captions, and look at every image.

    Args:
        path: whatever `read_captions` reads.
        images: the folder that the names of images start from; None: it is found beside the caption file.
        show: of the images and their number, shows the progress.

    Raises:
        FileNotFoundError, AnnotationError: names the file and the fix.
    """
    path = os.path.abspath(os.path.expanduser(path))
    report = ReadingReport(path)
    read = read_captions(path, report=report)
    captions = {name: texts for name, texts in read.items() if any(text.strip() for text in texts)}
    for name in read.keys() - captions.keys():
        report.skip('images without a caption', name)
    if not captions:
        raise AnnotationError(f'{path}: no image has a caption ({len(read)} images)')
    folder = image_folder(path, list(captions), images)
    allowed = AllowedFolders([folder, path])  # as `ImageTextDataset` allows them
    for name in [name for name in captions if os.path.join(folder, name) not in allowed]:
        report.skip(f'images outside {folder} (--images names another folder)', name)
        del captions[name]
    hashes, sizes = {}, []
    looked = _looked_at(folder, list(captions))
    for name, found in show(looked, len(captions)) if show else looked:
        if isinstance(found, str):
            report.skip('images that cannot be read', found)
        else:
            hashes[name], size = found
            sizes.append(size)
    if not hashes:
        raise AnnotationError(f'{path}: none of its {len(read)} images can be read; {report.lines()[-1]}')
    report.read['images'], report.read['captions'] = len(hashes), sum(len(captions[name]) for name in hashes)
    return OwnData(path, folder, list(hashes), captions, list(hashes.values()), sizes, report)


def image_folder(path: str, names: Sequence[str], given: str | None) -> str:
    """The folder that the names start from: the given one, or of those beside the caption file the one with the most images.

    Raises:
        FileNotFoundError: no image is there; names the first one and the folders that were looked into.
    """
    beside = path if os.path.isdir(path) else os.path.dirname(path)
    candidates = [os.path.join(beside, folder) for folder in _FOLDERS]
    if given is not None:
        candidates = [os.path.abspath(os.path.expanduser(given))]
    listing = FolderListing()
    some = names[:: -(-len(names) // _LOOKED_AT)]
    counts = {folder: sum(os.path.join(folder, name) in listing for name in some) for folder in candidates}
    best = max(counts, key=counts.__getitem__)
    if not counts[best]:
        looked = ', '.join(repr(folder) for folder in candidates if os.path.isdir(folder)) or repr(candidates[0])
        raise FileNotFoundError(
            f"{path}: its images are not there, e.g. '{names[0]}' is not in {looked}: "
            + ('is that the folder that the names start from?' if given else 'give their folder with --images')
        )
    return best


def validation_split(data: OwnData, split_file: str | None = None) -> tuple[list[str], list[str]]:
    """Names for training and for validation.

    Without a file a tenth of the images, at most 1,000, is kept for validation. Images that look alike (`near_duplicates`)
    stay on one side. The choice depends on the images themselves, not on their order.

    Args:
        split_file: names of the validation images, one a line; all others are for training.

    Raises:
        AnnotationError: fewer than two images on a side.
    """
    if split_file is not None:
        listed = set(read_names(split_file))
        validation = [name for name in data.names if name in listed]
        if not validation:
            raise AnnotationError(
                f"{split_file}: none of its {len(listed)} names is one of {data.ann_file}'s, which look like {data.names[0]!r}"
            )
        for name in sorted(listed - set(validation)):
            data.report.skip('images of the validation split that are not there', name)
    else:
        groups = _alike(data)
        wanted = min(_MOST_VALIDATION_IMAGES, max(2, round(_VALIDATION_SHARE * len(data.names))))
        chosen: set[int] = set()
        for group in sorted(groups, key=lambda group: _order(data.hashes[group[0]], data.names[group[0]])):
            if len(chosen) + len(group) <= wanted:
                chosen.update(group)
        validation = [name for place, name in enumerate(data.names) if place in chosen]
    kept = set(validation)
    training = [name for name in data.names if name not in kept]
    if min(len(training), len(validation)) < 2:
        raise AnnotationError(
            f'{data.ann_file}: {len(training)} images for training and {len(validation)} for validation; '
            'both need two at least'
        )
    return training, validation


def _looked_at(folder: str, names: Sequence[str]) -> Iterable[tuple[str, _Look | str]]:
    """Each name with its hash and size, or with what is wrong with the image."""
    loader = LoadImage()

    def look(name: str) -> tuple[str, _Look | str]:
        try:
            pixels_HW3 = loader(dict(img_path=os.path.join(folder, name)))['img']
            return name, (difference_hash(pixels_HW3), pixels_HW3.shape[:2])
        except BrokenSampleError as error:
            return name, str(error)

    with ThreadPoolExecutor(_THREADS) as pool:  # decoding leaves Python's lock
        yield from pool.map(look, names)


def _alike(data: OwnData) -> list[list[int]]:
    """Places of images that belong on one side, each image in one group."""
    groups = near_duplicates(data.hashes)
    single = set(range(len(data.names))) - {place for group in groups for place in group}
    return [*groups, *([place] for place in sorted(single))]


def _order(image_hash: int, name: str) -> bytes:
    # Flat images share a hash; their names then decide.
    return hashlib.blake2b(image_hash.to_bytes(8, 'big')).digest() + name.encode(errors='surrogatepass')
