"""Files of statements, questions and judgements: read, or refused in one line that names the file and the entry."""

import json
from pathlib import Path

import pytest
from question_examples import vqa_v2_annotations, vqa_v2_questions

from sacl_mm.datasets import NLVR2Pairs
from sacl_mm.datasets.nlvr2_files import read_pairs
from sacl_mm.datasets.question_files import question_format, read_questions
from sacl_mm.evaluation import Flickr8kHumanJudgement, NLVR2Accuracy
from sacl_mm.evaluation.judgement_files import read_crowdflower, read_expert
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

INPUTS = Path(__file__).parent / 'inputs'
OWN = {'sentence': 'a dog', 'label': 'True', 'images': ['0.png', '1.png']}


def write(tmp_path: Path, content: object, name: str = 'file.txt') -> str:
    path = tmp_path / name
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize('case', ['nlvr2_own_pairs.json', 'nlvr2_own_identifiers.json', 'nlvr2_same_left_image.json'])
def test_own_pairs_and_identifiers_work(case: str, tmp_path: Path) -> None:
    entries = json.loads((INPUTS / case).read_text())
    for name in {name for entry in entries for name in entry['images']}:
        (tmp_path / name).touch()
    items = list(NLVR2Pairs(ann_file=str(INPUTS / case), data_prefix=dict(img_path=str(tmp_path)), test_mode=True))
    assert len({item['identifier'] for item in items}) == len(items) == len(entries)
    metric = NLVR2Accuracy()
    metric.process({}, [dict(item, pred_label=number > 0) for number, item in enumerate(items)])
    assert set(metric.evaluate(len(items))) == {'nlvr2/accuracy', 'nlvr2/consistency'}


PAIRS = {
    'JSON lines with images': [OWN, dict(OWN, sentence='a cat')],
    'numbers as identifiers': [dict(OWN, identifier=0), dict(OWN, identifier=1)],
    'a given identifier like a numbered one': [dict(OWN, images=['1.png', '2.png'], identifier='0-0-0'), OWN],
    'equal names in two folders': [dict(OWN, images=['a/0.png', '1.png']), dict(OWN, images=['b/0.png', '1.png'])],
    'an official name with another twin': [
        dict(OWN, images=['dev-1-0-img0.png', 'x.png']),
        dict(OWN, images=['dev-1-0-img0.png', 'dev-1-0-img1.png']),
    ],
    'the same statement again': [OWN, OWN, OWN],
    'names that end in numbers': [dict(OWN, images=['x-1.png', 'y.png']), dict(OWN, images=['x.png', 'y.png'])],
}


@pytest.mark.parametrize('as_lines', [True, False], ids=['lines', 'list'])
@pytest.mark.parametrize('case', PAIRS)
def test_no_two_statements_share_an_identifier(case: str, as_lines: bool, tmp_path: Path) -> None:
    entries = PAIRS[case]
    content = '\n'.join(map(json.dumps, entries)) if as_lines else entries
    report = ReadingReport()
    identifiers = [pair['identifier'] for pair in read_pairs(write(tmp_path, content), report)]
    assert len(set(identifiers)) == len(entries)
    assert all(isinstance(identifier, str) for identifier in identifiers)
    assert bool(report.noticed) == (case in ('the same statement again', 'numbers as identifiers'))


def test_a_statement_with_both_labels_is_noticed(tmp_path: Path) -> None:
    report = ReadingReport()
    read_pairs(write(tmp_path, [OWN, dict(OWN, label='False')]), report)
    assert 'statements that come again with another label' in report.noticed


BAD_PAIRS = {
    'identifiers given twice': ([dict(OWN, identifier='x'), dict(OWN, identifier='x')], "entry 1: .*'x' occurs twice"),
    'a number and a text that are the same': (
        [dict(OWN, identifier=7), dict(OWN, identifier='7')],
        "entry 1: the identifier '7' occurs twice, first in .*entry 0",
    ),
    'an identifier that is a list': ([dict(OWN, identifier=[1])], "entry 0: .*'identifier' must be"),
    'one image': ([dict(OWN, images=['0.png'])], 'entry 0: .*the names of two images'),
    'three images': ([dict(OWN, images=['0.png'] * 3)], 'entry 0: .*the names of two images'),
    'images as a text': ([dict(OWN, images='01')], "entry 0: .*'images' must be a list"),
    'an image that is a number': ([dict(OWN, images=['0.png', 1])], 'entry 0: .*the names of two images'),
    'an image without a name': ([dict(OWN, images=['0.png', ''])], 'entry 0: .*no file has the name'),
    'a sentence that is a list': ([dict(OWN, sentence=['a'])], "entry 0: .*'sentence' must be a text"),
    'no sentence': ([dict(label='True', images=['0.png', '1.png'])], "entry 0: .*no 'sentence'"),
    'a label that is a list': ([dict(OWN, label=[])], "entry 0: .*'label' must be 'True' or 'False'"),
    'a label of 2': ([dict(OWN, label=2)], "entry 0: .*'label' must be 'True' or 'False', it is 2"),
    'neither images nor an identifier': ([dict(sentence='a', label='True')], "entry 0: .*no 'images'"),
    'an entry that is null': ([OWN, None], 'entry 1: expected .*it is None'),
    'an object': ('{\n"a": 1}', ':1: not valid JSON'),
    'NLVR2 files that are not UTF-8 (name the file)': (
        '{"sentence": "é"}'.encode('latin-1'),
        r'file\.txt:1: not UTF-8',
    ),
    'a list nested 100,000 deep': ('[' * 100_000, 'nested too deeply'),
    'a line nested 100,000 deep': ('{"a":' * 100_000, 'nested too deeply'),
}


@pytest.mark.parametrize('case', BAD_PAIRS)
def test_statements_that_are_refused(case: str, tmp_path: Path) -> None:
    content, message = BAD_PAIRS[case]
    path = write(tmp_path, content)
    with pytest.raises(AnnotationError, match=message) as raised:
        read_pairs(path)
    assert path in str(raised.value)


def test_half_an_emoji_in_a_statement_is_repaired(tmp_path: Path) -> None:
    report = ReadingReport()
    (pair,) = read_pairs(write(tmp_path, [dict(OWN, sentence='so \ud83d')]), report)
    assert pair['sentence'] == 'so \ufffd'
    assert len(report.repaired) == 1


def asked(**changes: object) -> dict:
    content = vqa_v2_questions()
    content['questions'][1] |= changes
    return content


ALBEF = {'image': '0.png', 'question': 'how many ?'}
BAD_QUESTIONS = {
    'an id that is true': (asked(question_id=True), 'question 1: .*64 bits'),
    'an id of 100 digits': (asked(question_id=10**99), 'question 1: .*64 bits'),
    'an id that is NaN': (asked(question_id=float('nan')), "question 1: .*'question_id'.*nan"),
    'a question that is null': (asked(question=None), "question 1: .*'question' must be a text"),
    'a question that is an object': (asked(question={'en': 'a'}), "question 1: .*'question' must be a text"),
    'a subtype that is a number': (vqa_v2_questions() | dict(data_subtype=3), "'data_subtype' is 3"),
    'no subtype': ({'questions': []}, "'data_subtype' is None"),
    'an object without questions': ({'annotations': []}, "a list 'questions'"),
    'an image that is a list': ([dict(ALBEF, image=[])], "entry 0: .*'image' must be"),
    'an image without a name': ([dict(ALBEF, image='')], 'entry 0: .*no file has the name'),
    'answers that are null': ([dict(ALBEF, answer=None)], "entry 0: .*'answer' must be a list"),
    'an answer that is an object': ([dict(ALBEF, answer=[{}])], "entry 0: .*'answer' must be a list of texts"),
    'qas that are null': ([{'qas': None}], "image 0: .*'qas' must be a list"),
    'a question that is a text': ([{'qas': ['x']}], "image 0: .*no 'image_id'"),
    'Latin-1': ('[{"image": "é"}]'.encode('latin-1'), ':1: not UTF-8'),
    'nested 100,000 deep': ('[' * 100_000, 'nested too deeply'),
    'a 5,000-digit number': ('[{"question_id": ' + '1' * 5000 + '}]', 'not valid JSON .*digits'),
}


@pytest.mark.parametrize('case', BAD_QUESTIONS)
def test_questions_that_are_refused(case: str, tmp_path: Path) -> None:
    content, message = BAD_QUESTIONS[case]
    path = write(tmp_path, content)
    with pytest.raises(AnnotationError, match=message) as raised:
        read_questions(path, question_format(path))
    assert path in str(raised.value)


def test_what_is_wrong_with_annotations_is_said_of_their_file(tmp_path: Path) -> None:
    questions, content = write(tmp_path, vqa_v2_questions(), 'q.json'), vqa_v2_annotations()
    content['annotations'][0]['answers'][0]['answer'] = 3
    with pytest.raises(AnnotationError, match=r"a\.json: annotation 0: .*'answer' must be a text, it is 3"):
        read_questions(questions, 'vqa_v2', write(tmp_path, content, 'a.json'))


def test_questions_with_half_an_emoji_and_again(tmp_path: Path) -> None:
    report = ReadingReport()
    path = write(tmp_path, [dict(ALBEF, question='\ud83d ?', answer=['\ude00'])] * 2)
    first, _ = read_questions(path, 'albef', report=report)
    assert (first['question'], first['gt_answer']) == ('\ufffd ?', ['\ufffd'])
    assert [remark.count for remark in report.noticed.values()] == [1]
    assert sum(remark.count for remark in report.repaired.values()) == 6


def crowdflower(bad: dict[int, bytes], count: int = 200) -> bytes:
    lines = [f'{number}.jpg\t{number + 1}.jpg#0\t0.333\t1\t2'.encode() for number in range(count)]
    return b'\n'.join(bad.get(number, line) for number, line in enumerate(lines, 1)) + b'\n'


NOT_UTF8 = {number: f'{number}.jpg\t\xff\xfe.jpg#0\t0.333\t1\t2'.encode('latin-1') for number in range(3, 198, 3)}


def test_a_crowdflower_file_with_65_lines_that_are_not_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, crowdflower(NOT_UTF8))
    assert len(NOT_UTF8) == 65
    with pytest.raises(AnnotationError, match=r'file\.txt:3: expected.*which is not UTF-8.*skip_bad_lines=True'):
        read_crowdflower(path)
    metric = Flickr8kHumanJudgement(crowdflower_file=path, skip_bad_lines=True)
    judged = metric.judgements['crowdflower']
    assert len(judged.images) == 135
    assert judged.report.lines() == [
        '135 judgements read',
        f'skipped, lines that are not UTF-8: 65 ({path}:3, {path}:6, {path}:9, ...)',
    ]


BAD_JUDGEMENTS = {
    'judgement files that are not UTF-8 (name the file)': '0.jpg\té.jpg#0\t1\t1\t1'.encode('latin-1'),
    'a line with too few fields': b'0.jpg\t1.jpg#0\t1',
    'a line with too many fields': b'0.jpg\t1.jpg#0\t1\t1\t1\t1',
    'a rating of 5,000 digits': b'0.jpg\t1.jpg#0\t1\t1\t' + b'1' * 5000,
    'a rating that is nan': b'0.jpg\t1.jpg#0\tnan\t1\t1',
    'a caption without a number': b'0.jpg\t1.jpg\t1\t1\t1',
    'a caption with half a number': b'0.jpg\t1.jpg#x\t1\t1\t1',
    'an empty line': b'',
    'a line of zeros': b'\0\0\0\0',
}


@pytest.mark.parametrize('read', [read_expert, read_crowdflower])
@pytest.mark.parametrize('case', BAD_JUDGEMENTS)
def test_judgements_that_are_refused_or_skipped(case: str, read, tmp_path: Path) -> None:
    path = write(tmp_path, b'0.jpg\t1.jpg#0\t1\t1\t1\n' + BAD_JUDGEMENTS[case] + b'\n0.jpg\t1.jpg#1\t1\t1\t1\n')
    with pytest.raises(AnnotationError, match=r'file\.txt:2: expected'):
        read(path)
    judged = read(path, skip_bad_lines=True)
    assert judged.captions == [('1.jpg', 0), ('1.jpg', 1)]
    assert [remark.count for remark in judged.report.skipped.values()] == [1]


def test_pairs_that_are_judged_again_are_counted(tmp_path: Path) -> None:
    judged = read_crowdflower(write(tmp_path, b'\xef\xbb\xbf' + b'0.jpg\t1.jpg#0\t1\t1\t1\n' * 3))
    assert judged.images == ['0.jpg'] * 3
    assert judged.report.noticed['pairs that are judged again'].count == 2


def test_a_folder_of_judgements(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match='expected a file of human judgements'):
        read_expert(str(tmp_path))
