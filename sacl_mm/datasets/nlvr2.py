"""Statements about pairs of images, from NLVR2's files."""

import os

from mmengine.dataset import BaseDataset

from sacl_mm.datasets.annotation_fields import check
from sacl_mm.datasets.image_text_dataset import ImageTextDataset, stable_id
from sacl_mm.datasets.nlvr2_files import Pair, read_pairs
from sacl_mm.reading_report import ReadingReport
from sacl_mm.registry import DATASETS
from sacl_mm.user_error import BrokenSampleError, printable


@DATASETS.register_module()
class NLVR2Pairs(ImageTextDataset):
    """NLVR2, from its JSON lines (train.json, dev.json, test1.json), ALBEF's lists or one's own (see `read_pairs`).

    An item is a statement about two images: `img_path` [left, right], `text` (a list of one), `gt_label` (1 true, 0 false,
    -1 not given), `identifier`, `image_id` (of the pair) and `text_ids` (a list of one).

    `data_prefix=dict(img_path=...)` is, for the JSON lines, the folder of the split: `images/train` (with or without
    NLVR2's numbered subfolders), `dev`, `test1`; for ALBEF's lists the folder above. The two images are loaded, and
    augmented independently, by mmpretrain's `ApplyToList(scatter_key='img_path', collate_keys=['img'], ...)`.

    A pair is broken if one of its images is: in training it is replaced by another pair, a test stops and names its
    identifier and the file. The arguments are those of MMEngine's `BaseDataset`.
    """

    def load_data_list(self) -> list[dict]:
        """One dict per statement."""
        report = self.reading_report = ReadingReport(self.ann_file)
        pairs = read_pairs(self.ann_file, report)
        check(pairs, f'{self.ann_file}: no statements')
        report.read['statements'] = len(pairs)
        unlabelled = [pair['identifier'] for pair in pairs if pair['label'] < 0]
        check(
            self.test_mode or not unlabelled,
            f'{self.ann_file}: {len(unlabelled)} of {len(pairs)} statements have no label to train on, '
            f'first {unlabelled[:1]}; a split without labels needs test_mode=True',
        )
        for identifier in unlabelled:
            report.notice('statements without a label, whose accuracy cannot be measured', identifier)
        subfolders: dict[str, bool] = {}
        return [self._item(pair, subfolders) for pair in pairs]

    def _item(self, pair: Pair, subfolders: dict[str, bool]) -> dict:
        folder = os.path.join(self.data_prefix['img_path'], pair['directory'])
        if folder not in subfolders:
            subfolders[folder] = os.path.isdir(folder)
        folder = folder if subfolders[folder] else self.data_prefix['img_path']
        paths = [os.path.join(folder, name) for name in pair['images']]
        key = '|'.join(paths)
        return dict(
            img_path=paths,
            text=[pair['sentence']],
            gt_label=pair['label'],
            identifier=pair['identifier'],
            image_id=stable_id(key),
            text_ids=[stable_id(f'{key}#{pair["identifier"]}')],
        )

    def prepare_data(self, idx: int) -> dict:
        """As in the base class; what is broken is the pair, and it is known by its identifier."""
        try:
            return super().prepare_data(idx)
        except BrokenSampleError as error:
            identifier = self.get_data_info(idx)['identifier']
            raise BrokenSampleError(f'pair {identifier}: {error}', identifier) from error

    def _check_images_exist(self, paths: list[str]) -> None:
        try:
            super()._check_images_exist(paths)
        except FileNotFoundError as error:
            missing = set(self._missing(paths))
            for index in range(len(self)):
                pair = BaseDataset.get_data_info(self, index)
                for path in pair['img_path']:
                    if path in missing:
                        raise FileNotFoundError(printable(f'pair {pair["identifier"]} lacks {path}. {error}')) from None
