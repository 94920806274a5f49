"""Readers of question files: each is a pure function `path -> [question]`, in the order of the file.

An entry that does not fit raises AnnotationError with the file, the entry and what was expected.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, cast

from sacl_mm.datasets.annotation_fields import (
    FieldError,
    check,
    entries_of,
    integer_field,
    list_field,
    name_field,
    numbered,
    read_entries,
    shown,
    text_field,
    whole_text,
)
from sacl_mm.datasets.text_files import beginning, load_json, load_json_list, read_bytes
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

# ALBEF, Section 5.2 and its data loader: an answer of Visual Genome weighs half of what ten annotators agree on.
VISUAL_GENOME_WEIGHT = 0.5
_BYTES_TO_JUDGE_BY = 1 << 16


class Question(TypedDict, total=False):
    """A question about an image.

    `question_id` and `question_type` are absent where the file has none. `gt_answer` are the distinct ones to train on, each
    with its weight; `gt_human_answers` are what the annotators said, one per annotator. All three are [] without answers.
    """

    image: str
    question: str
    question_id: int
    question_type: str
    gt_answer: list[str]
    gt_answer_weight: list[float]
    gt_human_answers: list[str]


def read_vqa_v2(path: str, answer_file: str | None = None) -> list[Question]:
    """VQAv2: `v2_OpenEnded_mscoco_{split}_questions.json` and `v2_mscoco_{split}_annotations.json`, which tests lack.

    The name of an image follows from the split, `COCO_train2014_000000000009.jpg`; test-dev2015 is a part of test2015.
    An answer's weight is the share of the (ten) annotators who gave it; the question's type is its `answer_type`.
    """
    content = load_json(path)
    entries = entries_of(
        content,
        'questions',
        path,
        "VQAv2 questions, an object with a list 'questions' and 'data_subtype' (the annotations belong in answer_file)",
    )
    subtype = content.get('data_subtype')
    check(isinstance(subtype, str), f"{path}: expected VQAv2 questions, 'data_subtype' is {shown(subtype)}")
    split = re.sub(r'^test-\w+?(?=\d{4}$)', 'test', subtype)

    def question(entry: dict) -> Question:
        image = f'COCO_{split}_{integer_field(entry, "image_id"):012d}.jpg'
        question_id = integer_field(entry, 'question_id')
        return Question(image=image, question=text_field(entry, 'question'), question_id=question_id, **_answered([]))

    questions: dict[int, Question] = {}
    expected = "'image_id' and 'question_id' (integers) and 'question'"
    for where, one in read_entries(numbered(entries, f'{path}: question'), expected, question):
        check(one['question_id'] not in questions, f'{where}: question_id {one["question_id"]} occurs twice')
        questions[one['question_id']] = one
    if answer_file:
        _add_vqa_v2_answers(questions, path, answer_file)
    return list(questions.values())


def _add_vqa_v2_answers(questions: dict[int, Question], path: str, answer_file: str) -> None:
    entries = entries_of(
        load_json(answer_file), 'annotations', answer_file, "VQAv2 annotations, an object with a list 'annotations'"
    )

    def annotation(entry: dict) -> tuple[int, int, str, Question]:
        answers = [text_field(answer, 'answer') for answer in list_field(entry, 'answers')]
        ids = integer_field(entry, 'question_id'), integer_field(entry, 'image_id')
        return *ids, text_field(entry, 'answer_type'), _answered(answers)

    unanswered = set(questions)
    expected = "'question_id' and 'image_id' (integers), 'answer_type' and 'answers', a list of objects with 'answer'"
    annotations = read_entries(numbered(entries, f'{answer_file}: annotation'), expected, annotation)
    for where, (question_id, image_id, question_type, answers) in annotations:
        question = questions.get(question_id)
        if question is None:
            raise AnnotationError(f'{answer_file}: question_id {question_id} is annotated, but is not in {path}')
        check(question_id in unanswered, f'{where}: question_id {question_id} occurs twice')
        check(
            question['image'].endswith(f'_{image_id:012d}.jpg'),
            f'{answer_file}: question_id {question_id} is about image_id {image_id}, but {path} has {question["image"]}',
        )
        unanswered.remove(question_id)
        question.update(answers)
        question['question_type'] = question_type
    check(
        not unanswered,
        f'{path}: {len(unanswered)} of {len(questions)} questions have no annotation in {answer_file}; '
        f'the first: question_id {min(unanswered, default=None)}',
    )


def read_visual_genome(path: str) -> list[Question]:
    """Visual Genome's `question_answers.json`: [{'id', 'qas': [{'qa_id', 'image_id', 'question', 'answer'}]}].

    Images are named `{image_id}.jpg`, in one of two folders. Answers are sentences there ('Green.'); they are given in
    VQAv2's style, in lower case and without the full stop at the end. The weight is ALBEF's.
    """

    def question(entry: Any) -> Question:
        one = Question(
            image=f'{integer_field(entry, "image_id")}.jpg',
            question=text_field(entry, 'question'),
            question_id=integer_field(entry, 'qa_id'),
        )
        answer = text_field(entry, 'answer').removesuffix('.').rstrip().lower()
        return one | _answered([answer], VISUAL_GENOME_WEIGHT)

    images = read_entries(
        numbered(load_json_list(path), f'{path}: image'),
        "'qas', a list of objects with 'qa_id' and 'image_id' (integers), 'question' and 'answer'",
        lambda image: [question(entry) for entry in list_field(image, 'qas')],
    )
    return [one for _, questions in images for one in questions]


def read_albef(path: str) -> list[Question]:
    """ALBEF's lists: [{'image', 'question', 'question_id', 'dataset': 'vqa' or 'vg', 'answer': str or list of str}].

    A list is weighed by frequency, a text of 'vg' by ALBEF's 0.5. Test files have no 'answer'; an id may be absent.
    """

    def question(entry: dict) -> Question:
        one = Question(image=name_field(entry, 'image'), question=text_field(entry, 'question'))
        if 'question_id' in entry:
            one['question_id'] = integer_field(entry, 'question_id')
        if isinstance(entry.get('answer'), str):
            weight = VISUAL_GENOME_WEIGHT if entry.get('dataset') == 'vg' else 1.0
            return one | _answered([text_field(entry, 'answer')], weight)
        return one | _answered(_texts(entry, 'answer') if 'answer' in entry else [])

    expected = (
        "'image' and 'question', perhaps with 'question_id' (an integer) and 'answer' (a text or a list of texts)"
    )
    return [one for _, one in read_entries(numbered(load_json_list(path), f'{path}: entry'), expected, question)]


def read_daquar(path: str) -> list[Question]:
    """DAQUAR as [{'image', 'question', 'answers': [...]}]: several answers mean all of them.

    They are one training answer, the distinct items in alphabetic order joined by ', '.
    """

    def question(entry: dict) -> Question:
        items = set(_texts(entry, 'answers'))
        if not items:
            raise FieldError('no answers')
        one = Question(image=name_field(entry, 'image'), question=text_field(entry, 'question'))
        return one | _answered([', '.join(sorted(items))])

    expected = "'image', 'question' and 'answers', a list of texts"
    return [one for _, one in read_entries(numbered(load_json_list(path), f'{path}: entry'), expected, question)]


READERS: dict[str, Callable[[str], list[Question]]] = {
    'vqa_v2': read_vqa_v2,
    'visual_genome': read_visual_genome,
    'albef': read_albef,
    'daquar': read_daquar,
}


def read_questions(
    path: str, format: str, answer_file: str | None = None, report: ReadingReport | None = None
) -> list[Question]:
    """The questions of a file of one of the `READERS`; `answer_file` for 'vqa_v2' only.

    Texts with half a character are repaired, and repeated questions noticed, in the report.
    """
    report = report or ReadingReport(path)
    questions = read_vqa_v2(path, answer_file) if answer_file else READERS[format](path)
    seen = set()
    for question in questions:
        where = f'{path}: {question["question"]!r} about {question["image"]}'
        fields = cast(dict[str, Any], question)
        for key in ('question', 'question_type'):
            if key in question:
                fields[key] = whole_text(fields[key], report, where)
        for key in ('gt_answer', 'gt_human_answers'):
            fields[key] = [whole_text(answer, report, where) for answer in fields[key]]
        asked = question['image'], question['question']
        if asked in seen:
            report.notice('questions that are asked again about their image', where)
        seen.add(asked)
    return questions


def question_format(path: str, format: str = 'auto') -> str:
    """The key of `READERS` for a file: `format` itself, or for 'auto' what the file's beginning tells.

    Raises:
        FileNotFoundError: the file does not exist.
        AnnotationError: the format is unknown, or the beginning fits none.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f'the question file {path} does not exist; check ann_file and data_root')
    check(
        format in ('auto', *READERS), f'unknown format {format!r} of question files; known: auto, {", ".join(READERS)}'
    )
    if format != 'auto':
        return format
    head = beginning(read_bytes(path, _BYTES_TO_JUDGE_BY))
    if head.startswith('{'):
        return 'vqa_v2'
    check(
        head.startswith('['),
        f'{path}: cannot tell the format from its beginning {head[:80]!r}; set format= to one of {", ".join(READERS)}',
    )
    if re.search(r'"qas"\s*:', head):
        return 'visual_genome'
    return 'daquar' if re.search(r'"answers"\s*:', head) else 'albef'


def _texts(entry: dict, key: str) -> list[str]:
    texts = list_field(entry, key)
    if not all(isinstance(text, str) for text in texts):
        raise FieldError(f'{key!r} must be a list of texts, it is {shown(texts)}')
    return [text.strip() for text in texts]


def _answered(answers: Sequence[str], weight: float = 1.0) -> Question:
    """The distinct answers share the weight by their frequency; an empty one is said, but not to be trained on."""
    counts = Counter(answers)
    counts.pop('', None)
    weights = [weight * count / len(answers) for count in counts.values()]
    return Question(gt_answer=list(counts), gt_answer_weight=weights, gt_human_answers=list(answers))
