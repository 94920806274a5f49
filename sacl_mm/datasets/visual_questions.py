"""Questions about images, from files."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.logging import print_log

from sacl_mm.datasets.annotation_fields import check
from sacl_mm.datasets.image_files import FolderListing
from sacl_mm.datasets.image_text_dataset import ImageTextDataset, stable_id
from sacl_mm.datasets.question_files import Question, question_format, read_questions
from sacl_mm.datasets.text_files import load_json
from sacl_mm.reading_report import ReadingReport
from sacl_mm.registry import DATASETS


@DATASETS.register_module()
class VisualQuestions(ImageTextDataset):
    """Questions from VQAv2, Visual Genome, ALBEF or DAQUAR files (see `question_files.READERS`).

    An item is a question: `img_path`, `text` (a list of one), `image_id`, `text_ids` (a list of one), `question_id` and,
    as in `question_files.Question`, `gt_answer`, `gt_answer_weight`, `gt_human_answers` and, where given, `question_type`.
    `text_ids` is unique also where files of different origin are joined, `question_id` is the file's own; where it has
    none, a 53-bit hash of the image's name and the question's number.

    Texts are as in the files. ALBEF cleans the questions: `dict(type='mmpretrain.CleanCaption', keys='text')` in the
    pipeline. In training, questions without an answer are left out, and counted in `reading_report`.

    Args:
        ann_file: a file of questions, or several.
        answer_file: VQAv2's annotations; with several files of VQAv2 questions, one for each and in their order.
        data_root: prefix of the files and of `data_prefix` where these are relative.
        data_prefix: `dict(img_path=...)`, the folder that the image names start from, or several: an image is taken
            from the first that has it, such as ['VG_100K', 'VG_100K_2'] or ['train2014', 'val2014'].
        format: 'auto' or a key of `READERS`; holds for every file.
        answer_list: the closed list of answers that a model chooses from, or its JSON file. It changes no item: it is
            checked, and the log tells what share of the questions it can answer.

    Raises:
        FileNotFoundError, AnnotationError: with the file, the entry and the fix; see also `ImageTextDataset`.
    """

    def __init__(
        self,
        ann_file: str | Sequence[str],
        answer_file: str | Sequence[str] = (),
        data_root: str = '',
        data_prefix: dict | None = None,
        format: str = 'auto',
        answer_list: str | Sequence[str] | None = None,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        data_prefix = dict(img_path='') if data_prefix is None else data_prefix
        check(set(data_prefix) == {'img_path'}, f'data_prefix must be dict(img_path=...), got {dict(data_prefix)}')
        self.answer_file = answer_file
        self.format = format
        self.answer_list = answer_list
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

    def _join_prefix(self) -> None:  # MMEngine's version joins single paths only
        self.ann_file = self._under_root(self.ann_file)
        self.answer_file = self._under_root(self.answer_file or ())
        self.data_prefix = dict(img_path=self._under_root(self.data_prefix['img_path']))
        if isinstance(self.answer_list, str):
            self.answer_list = os.path.join(self.data_root, self.answer_list)

    def _under_root(self, paths: str | Sequence[str]) -> list[str]:
        paths = [paths] if isinstance(paths, str) else paths
        return [path if '://' in path else os.path.join(self.data_root, path) for path in paths]

    def load_data_list(self) -> list[dict]:
        """One dict per question."""
        report = self.reading_report = ReadingReport(', '.join(self.ann_file))
        folders, listing = self.data_prefix['img_path'], FolderListing()
        check(folders, 'data_prefix: at least one folder of images is needed')
        number_in: Counter[str] = Counter()
        items = []
        for question in self._read_questions(report):
            image = question['image']
            # Visual Genome comes in two folders, and which one holds an image stands in no file of questions.
            path = listing.first([os.path.join(folder, image) for folder in folders])
            items.append(_item(question, path, number_in[image]))
            number_in[image] += 1
        where = ', '.join(self.ann_file)
        check(items, f'{where}: no questions')
        report.read['questions'] = len(items)
        report.read['images'] = len(number_in)
        if self.test_mode:
            _check_ids_differ(items, where)
        else:
            items = _with_answers(items, where, report)
        if self.answer_list is not None:
            self._check_answer_list(items)
        return items

    def _read_questions(self, report: ReadingReport) -> list[Question]:
        formats = [question_format(file, self.format) for file in self.ann_file]
        answer_files = list(self.answer_file)
        check(
            len(answer_files) in (0, formats.count('vqa_v2')),
            f'{len(answer_files)} answer_file for {formats.count("vqa_v2")} files of VQAv2 questions in '
            f'{", ".join(self.ann_file)}: give one for each, in the same order (other formats have their answers inside)',
        )
        questions = []
        for file, format in zip(self.ann_file, formats, strict=True):
            answer_file = answer_files.pop(0) if format == 'vqa_v2' and answer_files else None
            questions += read_questions(file, format, answer_file, report)
        return questions

    def _check_answer_list(self, items: list[dict]) -> None:
        is_file = isinstance(self.answer_list, str)
        name = self.answer_list if is_file else 'answer_list'
        answers: Any = load_json(str(self.answer_list)) if is_file else self.answer_list
        check(
            isinstance(answers, (list, tuple)) and answers and all(isinstance(answer, str) for answer in answers),
            f'{name}: expected a list of answers (strings), at least one',
        )
        known = set(answers)
        answered = [item['gt_answer'] for item in items if item['gt_answer']]
        if not answered:
            return
        count = sum(not known.isdisjoint(one) for one in answered)
        check(
            count > 0,
            f'{name}: an answer list without the answers: none of the {len(answered)} questions of '
            f'{", ".join(self.ann_file)} is answered in it; it has answers like {answers[0]!r}, the questions like '
            f'{answered[0][0]!r}',
        )
        print_log(
            f'{100 * count / len(answered):.1f} % of {len(answered)} questions have an answer in the list of {len(known)}',
            logger='current',
        )


def _item(question: Question, path: str, number: int) -> dict:
    item: dict[str, Any] = dict(question)
    name, text = item.pop('image'), item.pop('question')
    item.setdefault('question_id', stable_id(f'{name}#{number}'))
    text_id = stable_id(f'{path}#{item["question_id"]}')
    return dict(item, img_path=path, text=[text], image_id=stable_id(path), text_ids=[text_id])


def _check_ids_differ(items: list[dict], where: str) -> None:
    question_id, count = Counter(item['question_id'] for item in items).most_common(1)[0]
    check(count == 1, f'{where}: question_id {question_id} occurs {count} times; predictions are told apart by it')


def _with_answers(items: list[dict], where: str, report: ReadingReport) -> list[dict]:
    kept = [item for item in items if item['gt_answer']]
    check(
        bool(kept),
        f'{where}: none of the {len(items)} questions has an answer to train on; VQAv2 keeps them in another file, '
        'answer_file, and a split without answers needs test_mode=True',
    )
    for item in items:
        if not item['gt_answer']:
            report.skip('questions without an answer', f'question_id {item["question_id"]}')
    return kept
