"""The base of the project's datasets: reproducible samples, and broken ones that are neither fatal nor silent."""

import logging
import os
import re
import traceback

import cv2
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from PIL import Image

from sacl_mm.broken_sample import BrokenSampleError
from sacl_mm.datasets.sample_index import random_state_of
from sacl_mm.reading_report import ReadingReport

# What the image libraries raise for a file that is missing, unreadable or no image.
_IMAGE_ERRORS = (OSError, EOFError, ValueError, SyntaxError, AssertionError, cv2.error, Image.DecompressionBombError)
_A_WORD = re.compile(r'\w')
_MAX_NAMED = 20


class ImageTextDataset(BaseDataset):
    """Pictures with texts: adds determinism and the handling of broken samples to MMEngine's `BaseDataset`.

    A subclass gives `load_data_list`, with items `img_path` (absent when the picture is drawn), `text` (list of str),
    `image_id` (int) and `text_ids` (list of int).

    *Determinism.* Given a `SampleIndex` (see `EpochSampler`) the pipeline runs with the three global generators seeded
    from (seed, epoch, index), and they are restored afterwards. A plain int leaves them alone.

    *Broken in training.* A picture that cannot be read or decoded (an error inside `LoadImageFromFile`, wherever in the
    pipeline it stands, or a pipeline that returns None) and a sample without a caption are replaced by the next good
    sample, index + 1, + 2, ..., at most `max_refetch` further. Single captions without a letter or digit are left
    out. Each file is named once in a warning of the process that met it, up to 20, then only their number at every
    doubling; `broken` holds all with the reason. Errors of other transforms are bugs and pass through.

    *Broken in test mode.* A replaced picture would change the benchmark, so a picture that cannot be read raises, and
    a missing one does so before the test starts. Captions are kept as they are: an empty one is named and counts.

    Raises:
        FileNotFoundError: when loading, if every picture is missing (test mode: if any is).
        BrokenSampleError: from `dataset[i]`, in test mode at a broken picture; in training if no sample is readable.
    """

    reading_report: ReadingReport | None = None  # of what is read from files

    def full_init(self) -> None:
        """Load the annotations and check that the pictures are there."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.reading_report is not None:
            self.reading_report.log()
        self.broken: dict[str, str] = {}
        self._check_pictures_exist()

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
            'Is `data_prefix` right?'
        ) from first_error

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline on a sample; raise BrokenSampleError if the sample, and not the pipeline, is at fault."""
        sample = self.get_data_info(idx)
        name = str(sample.get('img_path', f'sample {idx}'))
        if 'text' in sample:
            self._check_captions(sample, name)
        try:
            result = self.pipeline(sample)
        except _IMAGE_ERRORS as error:
            picture = _picture_that_the_loader_refused(error)
            if picture is None:
                raise
            reason = ' '.join(str(error).split())  # OpenCV's run over several lines
            raise BrokenSampleError(f'{picture}: {type(error).__name__}: {reason}', name) from error
        if result is None:
            raise BrokenSampleError(f'{name}: the pipeline returned None', name)
        return result

    def missing_files(self) -> list[str]:
        """The picture files that do not exist, each once; one listing per folder, remote addresses are not checked."""
        names_in: dict[str, set[str]] = {}
        missing = {}
        for path in self._picture_paths():
            folder, name = os.path.split(path)
            if folder not in names_in:
                names_in[folder] = set(os.listdir(folder or '.')) if os.path.isdir(folder or '.') else set()
            if name not in names_in[folder]:
                missing[path] = None
        return list(missing)

    def _picture_paths(self) -> dict[str, None]:
        paths = {}
        for index in range(len(self)):
            # MMEngine's own version: a subclass may draw the picture in its version
            path = super().get_data_info(index).get('img_path', ())
            paths.update(dict.fromkeys([path] if isinstance(path, str) else path))
        return {path: None for path in paths if '://' not in path}

    def _check_pictures_exist(self) -> None:
        missing = self.missing_files()
        if not missing:
            return
        count = len(self._picture_paths())
        message = f'{len(missing)} of {count} pictures are missing: ' + ', '.join(missing[:3])
        message += ', ...' if len(missing) > 3 else ''
        if len(missing) == count:
            raise FileNotFoundError(
                f'{message}. Set data_prefix=dict(img_path=...) to the folder that the names in {self.ann_file!r} '
                'start from'
            )
        if self.test_mode:
            raise FileNotFoundError(
                f'{message}. A benchmark needs every picture: get them, or take them out of {self.ann_file!r}'
            )
        print_log(f'{message}. They are replaced by other samples', logger='current', level=logging.WARNING)

    def _check_captions(self, sample: dict, name: str) -> None:
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
            print_log(f'broken sample {message}', logger='current', level=logging.WARNING)
        if count % _MAX_NAMED == 0 and (count // _MAX_NAMED).bit_count() == 1:
            print_log(
                f'{count} broken samples so far in this process, of {len(self)}; the next count comes at {2 * count}',
                logger='current',
                level=logging.WARNING,
            )


def _picture_that_the_loader_refused(error: BaseException) -> str | None:
    """The path, if the error came out of `LoadImageFromFile.transform`, also of a subclass or nested in other transforms."""
    loader = LoadImageFromFile.transform.__code__
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code is loader)
    return next((frame.f_locals['results']['img_path'] for frame in frames), None)
