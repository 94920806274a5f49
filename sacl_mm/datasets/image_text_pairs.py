"""Images and captions from files."""

import os
import re
from collections.abc import Callable, Sequence

from sacl_mm.datasets.annotation_fields import check
from sacl_mm.datasets.caption_files import Captions
from sacl_mm.datasets.caption_formats import keep_listed, read_captions
from sacl_mm.datasets.column_names import Columns
from sacl_mm.datasets.image_text_dataset import ImageTextDataset, stable_id
from sacl_mm.reading_report import ReadingReport
from sacl_mm.registry import DATASETS

_A_WORD = re.compile(r'\w')


@DATASETS.register_module()
class ImageTextPairs(ImageTextDataset):
    """Image-text pairs from the files that people have: see `caption_formats.READERS`.

    An item has `img_path`, `text` (list), `image_id` and `text_ids` (list). Captions of the same path, also from several
    files, belong to one image. The ids are 53-bit hashes of the path (and the caption's place), so that they agree
    between datasets that are joined (`ConcatDataset`) and are exact in any number type of 64 bits.

    Args:
        ann_file: a caption file (or the folder of images with texts, or of archives), or several.
        data_root: prefix of `ann_file`, `split_file` and `data_prefix` where these are relative.
        data_prefix: `dict(img_path=...)`, the folder that the image names start from.
        format: 'auto' or a key of `READERS`; holds for every file.
        split: the split, or splits, of a Karpathy file, e.g. 'test' or ('train', 'restval').
        split_file: a list of image names, one per line; only these are kept.
        columns: `dict(image=..., caption=...)`, the columns of a table or the keys of JSON objects; by default their usual
            names. As numbers, from 0, for a table without a header.
        per: 'image', an item per image with all its captions (`SampleCaption` draws one), or 'pair', an item per
            caption, as ALBEF does for retrieval. Test mode always has 'image'.

    Raises:
        FileNotFoundError, AnnotationError: with the file, the line and the fix; see also `ImageTextDataset`.
    """

    def __init__(
        self,
        ann_file: str | Sequence[str],
        data_root: str = '',
        data_prefix: dict | None = None,
        format: str = 'auto',
        split: str | Sequence[str] | None = None,
        split_file: str | None = None,
        columns: Columns | None = None,
        per: str = 'image',
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        data_prefix = dict(img_path='') if data_prefix is None else data_prefix
        if per not in ('image', 'pair'):
            raise ValueError(f"per must be 'image' or 'pair', got {per!r}")
        if per == 'pair' and test_mode:
            raise ValueError("test_mode needs per='image': retrieval is measured with all captions of an image")
        if set(data_prefix) != {'img_path'}:
            raise ValueError(f'data_prefix must be dict(img_path=...), got {dict(data_prefix)}')
        self.format = format
        self.split = split
        self.split_file = split_file
        self.columns = columns
        self.per = per
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix,
            pipeline=list(pipeline),
            test_mode=test_mode,
            indices=indices,
            serialize_data=serialize_data,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )

    def _join_prefix(self) -> None:
        files = [self.ann_file] if isinstance(self.ann_file, str) else list(self.ann_file)
        self.ann_file = ''  # MMEngine's version joins a single one
        super()._join_prefix()
        self.ann_file = [os.path.join(self.data_root, file) for file in files]
        if self.split_file:
            self.split_file = os.path.join(self.data_root, self.split_file)

    def load_data_list(self) -> list[dict]:
        """One dict per image, or per (image, caption)."""
        report = self.reading_report = ReadingReport(', '.join(self.ann_file))
        captions: Captions = {}
        for file in self.ann_file:
            for name, texts in read_captions(file, self.format, self.split, self.columns, report).items():
                captions.setdefault(name, []).extend(texts)
        report.read['images'], report.read['captions'] = len(captions), sum(map(len, captions.values()))
        if self.split_file:
            captions = keep_listed(captions, self.split_file, report)
            report.read[f'images of {os.path.basename(self.split_file)}'] = len(captions)
        check(any(captions.values()), f'{report.source}: no image has a caption ({len(captions)} images)')
        for name, texts in captions.items():
            if not texts:
                report.skip('images without a caption', name)
            for text in texts:
                if not _A_WORD.search(text):
                    report.notice('captions without a letter or digit, left out in training', name)
            if len(set(texts)) < len(texts):
                report.notice('images with the same caption twice', name)
        items = [self._item(name, texts) for name, texts in captions.items() if texts]
        if self.per == 'image':
            return items
        return [
            dict(item, text=[text], text_ids=[text_id])
            for item in items
            for text, text_id in zip(item['text'], item['text_ids'], strict=True)
        ]

    def _item(self, name: str, texts: list[str]) -> dict:
        path = os.path.join(self.data_prefix['img_path'], name)
        text_ids = [stable_id(f'{path}#{number}') for number in range(len(texts))]
        return dict(img_path=path, text=texts, image_id=stable_id(path), text_ids=text_ids)
