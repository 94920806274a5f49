"""Readers of question files: each is a pure function `path -> [question]`, in the order of the file.

An entry that does not fit raises ValueError with the file, the entry and what was expected.
"""

import operator
import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from sacl_mm.datasets.json_files import check, load_json

# ALBEF, Section 5.2 and its data loader: an answer of Visual Genome weighs half of what ten annotators agree on.
VISUAL_GENOME_WEIGHT = 0.5
_BYTES_TO_JUDGE_BY = 1 << 16
_WRONG_ENTRY = (KeyError, TypeError, AttributeError, ValueError)


class Question(TypedDict, total=False):
    """A question about a picture.

    `question_id` and `question_type` are absent where the file has none. `answers` are the distinct ones to train on, each
    with its weight; `human_answers` are what the annotators said, one per annotator. All three are [] without answers.
    """

    image: str
    question: str
    question_id: int
    question_type: str
    answers: list[str]
    answer_weights: list[float]
    human_answers: list[str]


def read_vqa_v2(path: str, answer_file: str | None = None) -> list[Question]:
    """VQAv2: `v2_OpenEnded_mscoco_{split}_questions.json` and `v2_mscoco_{split}_annotations.json`, which tests lack.

    The name of a picture follows from the split, `COCO_train2014_000000000009.jpg`; test-dev2015 is a part of test2015.
    An answer's weight is the share of the (ten) annotators who gave it; the question's type is its `answer_type`.
    """
    content = load_json(path)
    check(
        isinstance(content, dict) and isinstance(content.get('questions'), list) and 'data_subtype' in content,
        f"{path}: expected VQAv2 questions, an object with a list 'questions' and 'data_subtype' "
        '(the annotations belong in answer_file)',
    )
    split = re.sub(r'^test-\w+?(?=\d{4}$)', 'test', str(content['data_subtype']))
    questions: dict[int, Question] = {}
    for number, entry in enumerate(content['questions']):
        try:
            question_id = operator.index(entry['question_id'])
            image, text = f'COCO_{split}_{entry["image_id"]:012d}.jpg', entry['question'].strip()
        except _WRONG_ENTRY as error:
            raise ValueError(
                f"{path}: question {number}: expected 'image_id' and 'question_id' (integers) and 'question' ({error!r})"
            ) from error
        check(question_id not in questions, f'{path}: question {number}: question_id {question_id} occurs twice')
        questions[question_id] = Question(image=image, question=text, question_id=question_id, **_answered([]))
    if answer_file:
        _add_vqa_v2_answers(questions, path, answer_file)
    return list(questions.values())


def _add_vqa_v2_answers(questions: dict[int, Question], path: str, answer_file: str) -> None:
    content = load_json(answer_file)
    check(
        isinstance(content, dict) and isinstance(content.get('annotations'), list),
        f"{answer_file}: expected VQAv2 annotations, an object with a list 'annotations'",
    )
    unanswered = set(questions)
    for number, entry in enumerate(content['annotations']):
        try:
            question_id, image_id = operator.index(entry['question_id']), operator.index(entry['image_id'])
            answers = _answered([answer['answer'].strip() for answer in entry['answers']])
            question_type = entry['answer_type']
        except _WRONG_ENTRY as error:
            raise ValueError(
                f"{answer_file}: annotation {number}: expected 'question_id' and 'image_id' (integers), 'answer_type' and "
                f"'answers', a list of objects with 'answer' ({error!r})"
            ) from error
        question = questions.get(question_id)
        check(question is not None, f'{answer_file}: question_id {question_id} is annotated, but is not in {path}')
        check(question_id in unanswered, f'{answer_file}: annotation {number}: question_id {question_id} occurs twice')
        check(
            question['image'].endswith(f'_{image_id:012d}.jpg'),
            f'{answer_file}: question_id {question_id} is about image_id {image_id}, but {path} has {question["image"]}',
        )
        unanswered.remove(question_id)
        question.update(answers, question_type=question_type)
    check(
        not unanswered,
        f'{path}: {len(unanswered)} of {len(questions)} questions have no annotation in {answer_file}; '
        f'the first: question_id {min(unanswered, default=None)}',
    )


def read_visual_genome(path: str) -> list[Question]:
    """Visual Genome's `question_answers.json`: [{'id', 'qas': [{'qa_id', 'image_id', 'question', 'answer'}]}].

    Pictures are named `{image_id}.jpg`, in one of two folders. Answers are sentences there ('Green.'); they are given in
    VQAv2's style, in lower case and without the full stop at the end. The weight is ALBEF's.
    """
    questions: list[Question] = []
    for number, image in enumerate(_list_of_entries(path)):
        try:
            for entry in image['qas']:
                question = Question(
                    image=f'{operator.index(entry["image_id"])}.jpg',
                    question=entry['question'].strip(),
                    question_id=operator.index(entry['qa_id']),
                )
                answer = entry['answer'].strip().removesuffix('.').rstrip().lower()
                questions.append(question | _answered([answer], VISUAL_GENOME_WEIGHT))
        except _WRONG_ENTRY as error:
            raise ValueError(
                f"{path}: image {number}: expected 'qas', a list of objects with 'qa_id' and 'image_id' (integers), "
                f"'question' and 'answer' ({error!r})"
            ) from error
    return questions


def read_albef(path: str) -> list[Question]:
    """ALBEF's lists: [{'image', 'question', 'question_id', 'dataset': 'vqa' or 'vg', 'answer': str or list of str}].

    A list is weighed by frequency, a text of 'vg' by ALBEF's 0.5. Test files have no 'answer'; an id may be absent.
    """
    questions: list[Question] = []
    for number, entry in enumerate(_list_of_entries(path)):
        try:
            question = Question(image=os.fspath(entry['image']), question=entry['question'].strip())
            if 'question_id' in entry:
                question['question_id'] = operator.index(entry['question_id'])
            answers = entry.get('answer', [])
            is_one = isinstance(answers, str)
            answers = [answer.strip() for answer in ([answers] if is_one else answers)]
            weight = VISUAL_GENOME_WEIGHT if is_one and entry.get('dataset') == 'vg' else 1.0
            questions.append(question | _answered(answers, weight))
        except _WRONG_ENTRY as error:
            raise ValueError(
                f"{path}: entry {number}: expected 'image' and 'question', perhaps with 'question_id' (an integer) and "
                f"'answer' (a text or a list of texts) ({error!r})"
            ) from error
    return questions


def read_daquar(path: str) -> list[Question]:
    """DAQUAR as [{'image', 'question', 'answers': [...]}]: several answers mean all of them.

    They are one training answer, the distinct items in alphabetic order joined by ', '.
    """
    questions: list[Question] = []
    for number, entry in enumerate(_list_of_entries(path)):
        try:
            question = Question(image=os.fspath(entry['image']), question=entry['question'].strip())
            items = [] if isinstance(entry['answers'], str) else {answer.strip() for answer in entry['answers']}
            check(bool(items), 'no answers')
            questions.append(question | _answered([', '.join(sorted(items))]))
        except _WRONG_ENTRY as error:
            raise ValueError(
                f"{path}: entry {number}: expected 'image', 'question' and 'answers', a list of texts ({error!r})"
            ) from error
    return questions


READERS = {'vqa_v2': read_vqa_v2, 'visual_genome': read_visual_genome, 'albef': read_albef, 'daquar': read_daquar}


def question_format(path: str, format: str = 'auto') -> str:
    """The key of `READERS` for a file: `format` itself, or for 'auto' what the file's beginning tells.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the format is unknown, or the beginning fits none.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f'the question file {path} does not exist; check ann_file and data_root')
    check(
        format in ('auto', *READERS), f'unknown format {format!r} of question files; known: auto, {", ".join(READERS)}'
    )
    if format != 'auto':
        return format
    with open(path, 'rb') as file:
        head = file.read(_BYTES_TO_JUDGE_BY).decode('utf-8-sig', errors='ignore').lstrip()
    if head.startswith('{'):
        return 'vqa_v2'
    check(
        head.startswith('['),
        f'{path}: cannot tell the format from its beginning {head[:80]!r}; set format= to one of {", ".join(READERS)}',
    )
    if re.search(r'"qas"\s*:', head):
        return 'visual_genome'
    return 'daquar' if re.search(r'"answers"\s*:', head) else 'albef'


def _list_of_entries(path: str) -> list:
    content = load_json(path)
    check(isinstance(content, list), f'{path}: expected a list of objects')
    return content


def _answered(answers: Sequence[str], weight: float = 1.0) -> Question:
    """The distinct answers share the weight by their frequency; an empty one is said, but not to be trained on."""
    counts = Counter(answers)
    counts.pop('', None)
    weights = [weight * count / len(answers) for count in counts.values()]
    return Question(answers=list(counts), answer_weights=weights, human_answers=list(answers))
