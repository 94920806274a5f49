"""The base of the project's datasets: reproducible samples, and broken ones that are neither fatal nor silent."""

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

import cv2
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmcv.transforms import Compose as MMCVCompose
from mmengine.dataset import BaseDataset, Compose
from mmengine.logging import print_log
from PIL import Image

from sacl_mm.datasets.archives import is_archive
from sacl_mm.datasets.image_files import AllowedFolders, FolderListing, is_special
from sacl_mm.datasets.sampler import random_state_of
from sacl_mm.functional.image_captions import ImageCaptions
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError, BrokenSampleError, printable

# What the image libraries raise for a file that is missing, unreadable or no image.
IMAGE_ERRORS = (OSError, EOFError, ValueError, SyntaxError, AssertionError, cv2.error, Image.DecompressionBombError)
_A_WORD = re.compile(r'\w')
_MAX_NAMED = 20


class ImageTextDataset(BaseDataset):
    """Images with texts: adds determinism and the handling of broken samples to MMEngine's `BaseDataset`.

    A subclass implements `load_data_list`, whose items have `img_path` (absent when the image is drawn), `text` (list of str),
    `image_id` (int) and `text_ids` (list of int).

    *Determinism.* Given a `SampleIndex` (see `EpochSampler`) the pipeline runs with the three global generators seeded
    from (seed, epoch, index), and they are restored afterwards. A plain int leaves them alone.

    *Names of images.* Where there is an `ann_file`, its names may open only what lies below `data_prefix['img_path']` or
    `data_root` (or below `ann_file`, a folder or an archive): no absolute name, none that leaves by `..`, no URL. What
    the user's own folders link to counts as theirs. Files with absolute names, such as ALBEF's, need
    `data_prefix=dict(img_path='/')`. Only regular files are opened: no pipe, device or folder. Other names are those of
    broken samples; they are counted when the annotations are loaded.

    *Broken in training.* An image that cannot be read or decoded (an error inside `LoadImage` or mmcv's
    `LoadImageFromFile`, wherever in the pipeline they stand, or a pipeline that returns None) and a sample without a caption
    are replaced by the next good sample, index + 1, + 2, ..., at most `max_refetch` further. Single captions without a
    letter or digit are left out. Each file is named once in a warning of the process that met it, up to 20, then only their
    number at every doubling; `broken` holds all with the reason. Errors of other transforms are bugs and pass through.

    *Broken in test mode.* A replaced image would change the benchmark, so an image that cannot be read raises, and
    a missing one, or one whose name is not allowed, does so before the test starts. Captions are kept as they are: an empty
    one is named and counts.

    Raises:
        FileNotFoundError: when loading, if every image is missing (test mode: if any is).
        AnnotationError: when loading, if no name of an image is allowed (test mode: if any is not).
        BrokenSampleError: from `dataset[i]`, in test mode at a broken image; in training if no sample is readable.
    """

    reading_report: ReadingReport | None = None  # set by datasets that read files
    ann_file: Any  # a file, or several
    data_prefix: Any
    pipeline: Compose

    def full_init(self) -> None:
        """Load the annotations and check that the images are there."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.reading_report is not None:
            self.reading_report.log()
        self.broken: dict[str, str] = {}
        self._image_folders = self._allowed_folders()
        paths = self._image_paths()
        self._check_names(paths)
        self._check_images_exist(paths)
        self.pipeline = _with_loaders_that_name_the_file(self.pipeline)

    def load_data_list(self) -> list[dict]:
        raise NotImplementedError(
            f"{type(self).__name__} must give load_data_list: BaseDataset's own would unpickle a .pkl file, that is, run it"
        )

    def __getitem__(self, index: int) -> dict:
        with random_state_of(index):
            index = int(index)
            if self.test_mode:
                return self._get_test_sample(index)
            return self._get_first_good_sample(index)

    def _get_test_sample(self, index: int) -> dict:
        try:
            return self.prepare_data(index)
        except BrokenSampleError as error:
            raise BrokenSampleError(
                f'{error}. Replacing it would change the benchmark: repair the file, or take it out of the annotations'
            ) from error

    def _get_first_good_sample(self, index: int) -> dict:
        first_error = None
        tries = min(self.max_refetch + 1, len(self))
        for shift in range(tries):
            try:
                return self.prepare_data((index + shift) % len(self) if shift else index)
            except BrokenSampleError as error:
                self._report(error.name, str(error))
                first_error = first_error or error
        raise BrokenSampleError(
            f'no readable sample among the {tries} from index {index} on; the first: {first_error}. '
            + ('Are the captions those of the images?' if 'caption' in str(first_error) else 'Is `data_prefix` right?')
        ) from first_error

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline on a sample; raise BrokenSampleError if the sample, and not the pipeline, is at fault."""
        sample = self.get_data_info(idx)
        name = str(sample.get('img_path', f'sample {idx}'))
        for path in _paths_of(sample):
            if not self._is_allowed(path):
                raise BrokenSampleError(f'{path}: outside {self._image_folders}', name)
            if is_special(path):
                raise BrokenSampleError(f'{path}: not a regular file', name)
        if 'text' in sample:
            self.check_captions(sample, name)
        try:
            result = self.pipeline(sample)
        except BrokenSampleError as error:  # of a loader, which names the file
            raise BrokenSampleError(str(error), name) from error
        if result is None:
            raise BrokenSampleError(f'{name}: the pipeline returned None', name)
        return result

    def image_captions(self) -> Iterator[ImageCaptions]:
        """The captions of each item, without reading or drawing images."""
        for index in range(len(self)):
            item = super().get_data_info(index)
            yield ImageCaptions(item['image_id'], list(item['text_ids']), list(item['text']))

    def _missing(self, paths: list[str]) -> list[str]:
        """The paths that are not regular files; remote addresses are not checked."""
        listing = FolderListing()
        return [path for path in paths if '://' not in path and self._is_allowed(path) and path not in listing]

    def _image_paths(self) -> list[str]:
        """The paths of all images, each once."""
        paths: dict[str, None] = {}
        for index in range(len(self)):
            # MMEngine's own version: a subclass may draw the image in its version
            paths.update(dict.fromkeys(_paths_of(super().get_data_info(index))))
        return list(paths)

    def _allowed_folders(self) -> AllowedFolders | None:
        """The folders that names in the annotations may open; None without annotation files, as names are then the program's
        own."""
        files = [self.ann_file] if isinstance(self.ann_file, str) else list(self.ann_file)
        if not any(files):
            return None
        prefix = self.data_prefix.get('img_path', '')
        prefixes = [prefix] if isinstance(prefix, str) else prefix
        return AllowedFolders(
            [
                *prefixes,
                *filter(None, [self.data_root]),
                *(file for file in files if os.path.isdir(file) or is_archive(file)),
            ]
        )

    def _is_allowed(self, path: str) -> bool:
        return self._image_folders is None or path in self._image_folders

    def _check_names(self, paths: list[str]) -> None:
        outside = [path for path in paths if not self._is_allowed(path)]
        if not outside:
            return
        message = f'{self.ann_file!r}: {len(outside)} of {len(paths)} image names lead out of {self._image_folders}: '
        message += f'{_first(outside)}. {_how_to_allow(outside[0])}'
        if self.test_mode or len(outside) == len(paths):
            raise AnnotationError(message)
        _warn(f'{message}. They are replaced by other samples')

    def _check_images_exist(self, paths: list[str]) -> None:
        missing = self._missing(paths)
        if not missing:
            return
        count = sum('://' not in path for path in paths)
        named = [f'{path} (not a regular file)' if is_special(path) else path for path in missing[:3]]
        message = printable(f'{len(missing)} of {count} images are missing: {_first([*named, *missing[3:]])}')
        if len(missing) == count:
            raise FileNotFoundError(
                f'{message}. Set data_prefix=dict(img_path=...) to the folder that the names in {self.ann_file!r} '
                'start from'
            )
        if self.test_mode:
            raise FileNotFoundError(
                f'{message}. A benchmark needs every image: get them, or take them out of {self.ann_file!r}'
            )
        _warn(f'{message}. They are replaced by other samples')

    def check_captions(self, sample: dict, name: str) -> None:
        """Leave captions without words out of a sample for training; in test mode they are named and stay.

        Raises:
            BrokenSampleError: none is left.
        """
        texts = sample['text']
        kept = [number for number, text in enumerate(texts) if _A_WORD.search(text)]
        if len(kept) == len(texts) > 0:
            return
        if self.test_mode:
            self._report(name, f'{name}: a caption without words is part of the test')
            return
        if not kept:
            raise BrokenSampleError(f'{name}: no caption with words', name)
        self._report(name, f'{name}: {len(texts) - len(kept)} of {len(texts)} captions have no words and are left out')
        sample['text'] = [texts[number] for number in kept]
        if 'text_ids' in sample:
            sample['text_ids'] = [sample['text_ids'][number] for number in kept]

    def _report(self, name: str, message: str) -> None:
        if name in self.broken:
            return
        self.broken[name] = message
        count = len(self.broken)
        if count <= _MAX_NAMED:
            _warn(f'broken sample {message}')
        if count % _MAX_NAMED == 0 and (count // _MAX_NAMED).bit_count() == 1:
            _warn(f'{count} broken samples so far in this process, of {len(self)}; the next count comes at {2 * count}')


def stable_id(text: str) -> int:
    """An id that agrees between processes, machines and joined datasets: a hash in [0, 2^53), exact in any number type of 64
    bits; also of a file's name that is not UTF-8."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors='surrogatepass'), digest_size=8).digest(), 'big') >> 11


def _warn(message: str) -> None:
    print_log(printable(message), logger='current', level=logging.WARNING)


def _paths_of(sample: dict) -> list[str]:
    """The paths of a sample's images: none if the image is drawn, two for a pair."""
    paths = sample.get('img_path', ())
    return [paths] if isinstance(paths, str) else list(paths)


def _first(names: list[str]) -> str:
    return ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')


def _how_to_allow(name: str) -> str:
    if '://' in name:
        return 'Images are not fetched by names in annotations: download them first, e.g. with img2dataset'
    if os.path.isabs(name) and '..' not in name.split('/'):
        return "If you trust the file, allow absolute names by data_prefix=dict(img_path='/')"
    return 'If you trust the file, set data_root to a folder that holds them all'


class _LoaderThatNamesTheFile:
    """mmcv's loader; what it raises for an image becomes a `BrokenSampleError`."""

    def __init__(self, loader: LoadImageFromFile) -> None:
        self.loader = loader

    def __call__(self, results: dict) -> dict | None:
        try:
            return self.loader(results)
        except IMAGE_ERRORS as error:
            reason = ' '.join(str(error).split())  # OpenCV's run over several lines
            if isinstance(error, NotADirectoryError):
                reason += '; images in archives are read by sacl_mm.LoadImage'
            raise BrokenSampleError(f'{results["img_path"]}: {type(error).__name__}: {reason}') from error


def _with_loaders_that_name_the_file(part: Any) -> Any:
    """A pipeline or a part of one with every `LoadImageFromFile` wrapped, also inside other transforms."""
    if isinstance(part, LoadImageFromFile):
        return _LoaderThatNamesTheFile(part)
    if isinstance(part, list):
        return [_with_loaders_that_name_the_file(inner) for inner in part]
    if isinstance(part, (BaseTransform, Compose, MMCVCompose)):
        for name, value in vars(part).items():
            if isinstance(value, (list, BaseTransform, Compose, MMCVCompose)):
                setattr(part, name, _with_loaders_that_name_the_file(value))
    return part
