"""Small question files with every key that the published ones have."""

import json
from pathlib import Path

INFO = dict(
    description='This is v2.0 of the VQA dataset.',
    url='http://visualqa.org',
    version='2.0',
    year=2017,
    contributor='VQA Team',
    date_created='2017-04-26 17:07:13',
)
LICENSE = dict(url='http://creativecommons.org/licenses/by/4.0/', name='Creative Commons Attribution 4.0')
# (image_id, question_id, question, answer_type, the ten answers)
ASKED = [
    (9, 9000, 'How many boxes?', 'number', ['4'] * 7 + ['5', '5', 'four']),
    (9, 9001, 'Is there broccoli ?', 'yes/no', ['yes'] * 10),
    (262144, 262144000, ' Where is he looking?', 'other', ['down', 'down ', 'at table'] + ['table'] * 6 + ['']),
]


def vqa_v2_questions(split: str = 'train2014') -> dict:
    questions = [dict(image_id=image, question=text, question_id=number) for image, number, text, *_ in ASKED]
    return dict(
        info=INFO, task_type='Open-Ended', data_type='mscoco', license=LICENSE, data_subtype=split, questions=questions
    )


def vqa_v2_annotations(split: str = 'train2014') -> dict:
    annotations = [
        dict(
            question_type='how many',
            multiple_choice_answer=max(answers, key=answers.count),
            answers=[
                dict(answer=answer, answer_confidence='yes', answer_id=place) for place, answer in enumerate(answers, 1)
            ],
            image_id=image,
            answer_type=answer_type,
            question_id=number,
        )
        for image, number, _, answer_type, answers in ASKED
    ]
    return dict(info=INFO, license=LICENSE, data_subtype=split, annotations=annotations, data_type='mscoco')


VISUAL_GENOME = [
    dict(
        id=1,
        qas=[
            dict(
                a_objects=[],
                question='What color is the clock?',
                image_id=1,
                qa_id=986768,
                answer='Green.',
                q_objects=[dict(object_id=1058498, synsets=['clock.n.01'], name='clock', x=421, y=91, w=79, h=339)],
            ),
            dict(a_objects=[], question='How tall?', image_id=1, qa_id=986769, answer='About 6 ft. ', q_objects=[]),
        ],
    ),
    dict(id=2, qas=[]),
]
ALBEF = [
    dict(
        question_id=9001,
        question='Is there broccoli?',
        answer=['yes'] * 9 + ['no'],
        image='train2014/COCO_train2014_000000000009.jpg',
        dataset='vqa',
    ),
    dict(question_id=986769, question='How many people?', answer='two', image='image/1.jpg', dataset='vg'),
    dict(question_id=1000, question='No answer?', image='test2015/COCO_test2015_000000000001.jpg', dataset='vqa'),
]
DAQUAR = [
    dict(image='image3.jpg', question='what is on the desk ?', answers=['scissor', 'book', 'scissor']),
    dict(image='image3.jpg', question='what is red ?', answers=['chair']),
    dict(image='image4.jpg', question='what is red ?', answers=['tape_dispenser']),
]


def write(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)
