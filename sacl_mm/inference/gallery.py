"""The images that are to be embedded: a folder, or those that a caption file names."""

import os
from typing import NamedTuple

from mmengine.dataset import BaseDataset

from sacl_mm.datasets.caption_formats import read_captions
from sacl_mm.datasets.image_text_pairs import ImageTextPairs
from sacl_mm.datasets.transforms.load_image import LoadImage
from sacl_mm.reading_report import ReadingReport


class GalleryImage(NamedTuple):
    """An image by its name, with the captions that it has, if any."""

    path: str
    id: int
    captions: list[str]


class Gallery(ImageTextPairs):
    """All images of a folder or a caption file, also those without a caption. `prepare_data(i)['img']` is image i, in BGR.

    Args:
        path: the folder, or a file that `read_captions` reads.
        images: the folder that names in the file start from; by default that of the file.

    Raises:
        FileNotFoundError, AnnotationError: as `ImageTextPairs`.
        BrokenSampleError: `prepare_data`: the image cannot be read.
    """

    def __init__(self, path: str, images: str | None = None) -> None:
        folder = os.path.dirname(path) if images is None else images
        super().__init__(path, data_prefix=dict(img_path=folder), pipeline=[LoadImage()])

    def load_data_list(self) -> list[dict]:
        report = self.reading_report = ReadingReport(self.ann_file[0])
        captions = read_captions(self.ann_file[0], report=report)
        report.read['images'], report.read['captions'] = len(captions), sum(map(len, captions.values()))
        return [self._item(name, texts) for name, texts in captions.items()]

    def image(self, index: int) -> GalleryImage:
        info = BaseDataset.get_data_info(self, index)
        return GalleryImage(info['img_path'], info['image_id'], info['text'])

    def check_captions(self, sample: dict, name: str) -> None:
        """They are passed on as they are."""
