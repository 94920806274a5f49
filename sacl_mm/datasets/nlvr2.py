"""Statements about pairs of pictures, from NLVR2's files."""

import os
import re

from mmengine.dataset import BaseDataset

from sacl_mm.broken_sample import BrokenSampleError
from sacl_mm.datasets.image_text_dataset import ImageTextDataset
from sacl_mm.datasets.json_files import check, load_json, load_json_lines
from sacl_mm.datasets.stable_id import stable_id
from sacl_mm.registry import DATASETS
from sacl_mm.user_error import printable

_LABELS = {'True': 1, 'False': 0, True: 1, False: 0, None: -1}
_OFFICIAL_NAME = re.compile(r'(?P<set>.+-\d+)-(?P<pair>\d+)-img[01]\.\w+')


@DATASETS.register_module()
class NLVR2Pairs(ImageTextDataset):
    """NLVR2, from its JSON lines (train.json, dev.json, test1.json) or from ALBEF's lists.

    An item is a statement about two pictures: `img_path` [left, right], `text` (a list of one), `label` (1 true, 0 false,
    -1 not given), `identifier` 'split-set-pair-sentence', `image_id` (of the pair) and `text_ids` (a list of one).

    `data_prefix=dict(img_path=...)` is, for the JSON lines, the folder of the split: `images/train` (with or without
    NLVR2's numbered subfolders), `dev`, `test1`; for ALBEF's lists the folder above. The two pictures are loaded, and
    augmented independently, by mmpretrain's `ApplyToList(scatter_key='img_path', collate_keys=['img'], ...)`.

    A pair is broken if one of its pictures is: in training it is replaced by another pair, a test stops and names its
    identifier and the file. The arguments are those of MMEngine's `BaseDataset`.
    """

    def load_data_list(self) -> list[dict]:
        """One dict per statement."""
        pairs = read_pairs(self.ann_file)
        check(bool(pairs), f'{self.ann_file}: no statements')
        unlabelled = [pair['identifier'] for pair in pairs if pair['label'] < 0]
        check(
            self.test_mode or not unlabelled,
            f'{self.ann_file}: {len(unlabelled)} of {len(pairs)} statements have no label to train on, '
            f'first {unlabelled[:1]}; a split without labels needs test_mode=True',
        )
        subfolders: dict[str, bool] = {}
        return [self._item(pair, subfolders) for pair in pairs]

    def _item(self, pair: dict, subfolders: dict[str, bool]) -> dict:
        folder = os.path.join(self.data_prefix['img_path'], pair['directory'])
        if folder not in subfolders:
            subfolders[folder] = os.path.isdir(folder)
        folder = folder if subfolders[folder] else self.data_prefix['img_path']
        paths = [os.path.join(folder, name) for name in pair['images']]
        key = '|'.join(paths)
        return dict(
            img_path=paths,
            text=[pair['sentence']],
            label=pair['label'],
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

    def _check_pictures_exist(self, paths: list[str]) -> None:
        try:
            super()._check_pictures_exist(paths)
        except FileNotFoundError as error:
            missing = set(self._missing(paths))
            for index in range(len(self)):
                pair = BaseDataset.get_data_info(self, index)
                for path in pair['img_path']:
                    if path in missing:
                        raise FileNotFoundError(printable(f'pair {pair["identifier"]} lacks {path}. {error}')) from None


def read_pairs(path: str) -> list[dict]:
    """The statements of a file: `images` (two names), `directory` ('' where there is none), `sentence`, `label` and
    `identifier`.

    JSON lines, as published: {'identifier': 'dev-850-0-0', 'sentence', 'label': 'True' or 'False'}, in train also
    'directory'; the pictures are `dev-850-0-img0.png` and `dev-850-0-img1.png`. ALBEF's list: [{'sentence', 'label',
    'images': [left, right]}]; identifiers follow from the names, the sentences of a set being numbered as they come.

    Raises:
        FileNotFoundError, ValueError: with the file and the line or entry.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f'the file {path} does not exist; check ann_file and data_root')
    with open(path, encoding='utf-8-sig') as file:
        is_list = file.read(1) == '['
    if is_list:
        entries = [(f'{path}: entry {number}', entry) for number, entry in enumerate(load_json(path))]
    else:
        entries = load_json_lines(path)
    pairs = []
    sentences: dict[str, dict[str, int]] = {}
    for where, entry in entries:
        try:
            sentence, label = entry['sentence'].strip(), _LABELS[entry.get('label')]
            if is_list:
                left, right = (os.fspath(name) for name in entry['images'])
                identifier = entry.get('identifier') or _identifier(left, sentence, sentences)
            else:
                identifier = entry['identifier']
                stem, _, _ = identifier.rpartition('-')
                check(stem.count('-') >= 2, f'identifier {identifier!r}')
                left, right = f'{stem}-img0.png', f'{stem}-img1.png'
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{where}: expected 'sentence', 'label' ('True' or 'False') and "
                + ("'images', [left, right]" if is_list else "'identifier', split-set-pair-sentence")
                + f' ({error!r})'
            ) from error
        directory = '' if is_list else str(entry.get('directory', ''))
        pairs.append(
            dict(images=[left, right], directory=directory, sentence=sentence, label=label, identifier=identifier)
        )
    return pairs


def _identifier(left: str, sentence: str, sentences: dict[str, dict[str, int]]) -> str:
    """'split-set-pair-sentence' of a pair in ALBEF's list; `sentences` numbers those seen so far in each set."""
    name = os.path.basename(left)
    match = _OFFICIAL_NAME.fullmatch(name)
    group, pair = (match['set'], match['pair']) if match else (os.path.splitext(name)[0], '0')
    numbers = sentences.setdefault(group, {})
    return f'{group}-{pair}-{numbers.setdefault(sentence, len(numbers))}'
