"""Whatever a file holds, a reader of annotations reads it or refuses it in one line that names the file.

FUZZ_EXAMPLES says how many files each kind of test makes (default 60).
"""

import copy
import json
import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from question_examples import ALBEF, DAQUAR, VISUAL_GENOME, vqa_v2_annotations, vqa_v2_questions

from sacl_mm.datasets.caption_files import read_names
from sacl_mm.datasets.caption_formats import READERS, keep_listed, read_captions
from sacl_mm.datasets.nlvr2_files import read_pairs
from sacl_mm.datasets.question_files import READERS as QUESTION_READERS
from sacl_mm.datasets.question_files import question_format, read_questions
from sacl_mm.evaluation.judgement_files import read_crowdflower, read_expert
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import UserError, printable

FUZZ = settings(
    max_examples=int(os.environ.get('FUZZ_EXAMPLES') or 60),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope='module')
def path(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('fuzz')
    (folder / 'q.json').write_text(json.dumps(vqa_v2_questions()))
    (folder / '0.png').touch()
    return str(folder / '0.txt')


def captions_as(format: str, **options: object) -> Callable[[str], None]:
    def read(path: str) -> None:
        captions = read_captions(path, format, report=ReadingReport(path), **options)
        for name, texts in captions.items():
            os.fsencode(name)
            '\n'.join(texts).encode()

    return read


def questions_as(format: str) -> Callable[[str], None]:
    def read(path: str) -> None:
        for question in read_questions(path, question_format(path) if format == 'auto' else format):
            os.fsencode(question['image'])
            '\n'.join([question['question'], *question['gt_answer'], *question['gt_human_answers']]).encode()

    return read


def statements(path: str) -> None:
    pairs = read_pairs(path)
    assert len({pair['identifier'] for pair in pairs}) == len(pairs)
    assert all(pair['label'] in (-1, 0, 1) and len(pair['images']) == 2 for pair in pairs)


def judgements_by(reader: Callable) -> Callable[[str], None]:
    def read(path: str) -> None:
        try:
            judged = reader(path)
        except UserError:
            judged = reader(path, skip_bad_lines=True)
        assert len(judged.images) == len(judged.captions) == len(judged.ratings_PR) > 0

    return read


ELSEWHERE = {'folder', 'imagefolder', 'parquet', 'webdataset'}  # the last two: test_fuzz_archives.py
ALL = {
    **{f'captions, {format}': captions_as(format) for format in ('auto', *sorted(set(READERS) - ELSEWHERE))},
    'captions, sidecar': lambda path: captions_as('folder')(os.path.dirname(path)),
    'captions, Karpathy split': captions_as('karpathy', split='train'),
    'captions, numbered columns': captions_as('table', columns=dict(image=0, caption=1)),
    'captions, named columns': captions_as('table', columns=dict(image='a', caption='b')),
    'captions, split file': lambda path: keep_listed({name: ['a'] for name in read_names(path)[:3]}, path),
    **{f'questions, {format}': questions_as(format) for format in ('auto', *QUESTION_READERS)},
    'questions, annotations': lambda path: read_questions(path.replace('0.txt', 'q.json'), 'vqa_v2', path),
    'statements': statements,
    'judgements, experts': judgements_by(read_expert),
    'judgements, CrowdFlower': judgements_by(read_crowdflower),
}


def check(path: str, content: bytes, *readers: str) -> None:
    with open(path, 'wb') as file:
        file.write(content)
    for name in readers or ALL:
        message = refusal(name, path)
        folder = os.path.dirname(path) if name == 'captions, sidecar' else path
        assert message is None or (printable(folder) in message and printable(message) == message), name


def refusal(name: str, path: str) -> str | None:
    """What the reader says of the file; None if it reads it. Any other error is a bug."""
    try:
        ALL[name](path)
    except (UserError, FileNotFoundError) as error:
        return str(error)
    return None


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(['\ud83d', '', '\0', 10**300]),
)
KEYS = st.sampled_from([
    *('images', 'annotations', 'id', 'file_name', 'image_id', 'caption', 'image', 'text', 'url', 'filename', 'split'),
    *('sentences', 'raw', 'questions', 'question', 'question_id', 'data_subtype', 'answers', 'answer', 'answer_type'),
    *('qas', 'qa_id', 'sentence', 'label', 'identifier', 'directory', 'dataset'),
])  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@FUZZ
@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(lambda text: text.encode('utf-16', 'surrogatepass'))))
def test_random_bytes(path: str, content: bytes) -> None:
    check(path, content)


@FUZZ
@given(VALUES)
def test_random_json(path: str, value: object) -> None:
    check(path, as_json(value))


@FUZZ
@given(st.lists(VALUES, max_size=3))
def test_random_json_lines(path: str, values: list) -> None:
    check(path, b'\n'.join(map(as_json, values)))


CELLS = st.one_of(
    st.sampled_from(
        [
            'image',
            'caption',
            'Text',
            'a',
            'b',
            'url',
            '0.png',
            'a dog',
            '"',
            '""',
            '"a"',
            'http://x/1.jpg',
            '1',
            '0.5',
            'x.png#0',
        ]
    ),
    st.text(st.sampled_from('ab "\t,;|\n\r\0#1é\u2028'), max_size=6),
)
TABLES = st.tuples(st.sampled_from('\t,;|'), st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=5))


@FUZZ
@given(TABLES, st.sampled_from(['', 'image{0}caption\n', 'caption{0}id{0}image\n', 'sep={0}\n', 'a{0}b\n']))
def test_random_tables(path: str, table: tuple[str, list[list[str]]], header: str) -> None:
    separator, rows = table
    check(path, (header.format(separator) + '\n'.join(map(separator.join, rows))).encode())


COCO = {
    'images': [{'id': 0, 'file_name': '0.png'}, {'id': 1, 'file_name': '1.png'}],
    'annotations': [{'id': 0, 'image_id': 0, 'caption': 'a dog'}, {'id': 1, 'image_id': 1, 'caption': 'a cat'}],
}
KARPATHY = {
    'images': [
        {'filename': '0.png', 'filepath': 'a', 'split': 'train', 'sentences': [{'raw': 'a dog'}, {'raw': 'a cat'}]},
        {'filename': '1.png', 'split': 'test', 'sentences': [{'raw': 'a bird'}]},
    ]
}
PAIRS = [{'image': '0.png', 'caption': 'a dog'}, {'file_name': '1.png', 'text': ['a cat', 'b']}]
STATEMENTS = [
    {'identifier': 'dev-1-0-0', 'sentence': 'a dog', 'label': 'True', 'directory': 3},
    {'sentence': 'a dog', 'label': 'False', 'images': ['0.png', '1.png']},
]
VALID = {
    'captions, coco': COCO,
    'captions, karpathy': KARPATHY,
    'captions, Karpathy split': KARPATHY,
    'captions, json': PAIRS,
    'captions, auto': PAIRS,
    'questions, vqa_v2': vqa_v2_questions(),
    'questions, annotations': vqa_v2_annotations(),
    'questions, visual_genome': VISUAL_GENOME,
    'questions, albef': ALBEF,
    'questions, daquar': DAQUAR,
    'statements': STATEMENTS,
}


def places(value: object) -> list[tuple]:
    """The path to every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in items for place in [(key,), *((key, *rest) for rest in places(part))]]


def mutated(value: object, changes: list[tuple[int, str, object]]) -> object:
    """Values removed, replaced, moved or doubled."""
    value = copy.deepcopy(value)
    for number, kind, other in changes:
        all_places = places(value)
        if not all_places:
            break
        *above, key = all_places[number % len(all_places)]
        part = value
        for step in above:
            part = part[step]
        if kind == 'remove':
            del part[key]
        elif kind == 'replace':
            part[key] = copy.deepcopy(other)
        elif isinstance(part, list):
            part.insert(number % (len(part) + 1), part.pop(key) if kind == 'move' else copy.deepcopy(part[key]))
        else:
            part[f'{key}s'] = part.pop(key)
    return value


CHANGES = st.lists(
    st.tuples(st.integers(0, 999), st.sampled_from(['remove', 'replace', 'move', 'double']), VALUES),
    min_size=1,
    max_size=3,
)


@FUZZ
@given(CHANGES)
def test_valid_json_files_that_were_changed(path: str, changes: list) -> None:
    for reader, content in VALID.items():
        check(path, as_json(mutated(content, changes)), reader)


LINES = {
    'captions, flickr_tokens': '0.png#0\ta dog\n0.png#1\ta cat\n1.png#0\tx',
    'captions, flickr30k_csv': 'image_name| comment_number| comment\n0.png| 0| a dog\n0.png| 4   a cat',
    'captions, table': 'image\tcaption\n0.png\t"a dog"\n1.png\t"a ""cat"""\n2.png\t"two\nlines"',
    'captions, numbered columns': '0.png;a dog\n1.png;"a; b"\n2.png;x',
    'captions, jsonl': '\n'.join(map(json.dumps, PAIRS)),
    'captions, sidecar': 'a dog\na cat',
    'captions, split file': '0.png\n1.png',
    'statements': '\n'.join(map(json.dumps, STATEMENTS)),
    'judgements, experts': '0.jpg\t1.jpg#0\t1\t1\t2\n1.jpg\t1.jpg#1\t4\t4\t3',
    'judgements, CrowdFlower': '0.jpg\t1.jpg#0\t0.333\t1\t2\n1.jpg\t1.jpg#1\t1\t3\t0',
}
EDITS = st.lists(
    st.tuples(
        st.integers(0, 999),
        st.integers(0, 3),
        st.binary(max_size=3) | st.sampled_from([b'"', b'\t', b'\n', b'\xff', b',']),
    ),
    min_size=1,
    max_size=4,
)


@FUZZ
@given(EDITS)
def test_valid_text_files_that_were_changed(path: str, edits: list) -> None:
    for reader, text in LINES.items():
        content = text.encode()
        for number, length, put in edits:
            start = number % (len(content) + 1)
            content = content[:start] + put + content[start + length :]
        check(path, content, reader)


@pytest.mark.parametrize('reader', sorted(ALL))
def test_every_reader_meets_changed_files(reader: str) -> None:
    others = {'captions, named columns', 'questions, auto'}  # the same readers, by another way
    assert reader in VALID.keys() | LINES.keys() | others
