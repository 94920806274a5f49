"""Every format, well-formed and not; and how the format is told."""

import json
from pathlib import Path

import pytest

from sacl_mm.datasets.caption_formats import READERS, detect_format, keep_listed, read_captions
from sacl_mm.datasets.table_files import read_table

EXPECTED = {'a.jpg': ['a dog runs', 'two dogs'], 'b.jpg': ['a cat, asleep']}
COCO = {
    'info': {},
    'images': [{'id': 5, 'file_name': 'a.jpg'}, {'id': 3, 'file_name': 'b.jpg'}],
    'annotations': [
        {'id': 1, 'image_id': 5, 'caption': 'a dog runs'},
        {'id': 2, 'image_id': 3, 'caption': 'a cat, asleep\n'},
        {'id': 3, 'image_id': 5, 'caption': ' two dogs'},
    ],
}
ALBEF = [
    {'image': 'a.jpg', 'caption': 'a dog runs', 'image_id': 'x_5'},
    {'image': 'b.jpg', 'caption': ['a cat, asleep']},
    {'image': 'a.jpg', 'caption': 'two dogs'},
]
KARPATHY = {
    'images': [
        {'filename': 'a.jpg', 'split': 'train', 'sentences': [{'raw': 'a dog runs'}, {'raw': 'two dogs'}]},
        {'filename': 'b.jpg', 'split': 'test', 'sentences': [{'raw': 'a cat, asleep '}]},
    ],
    'dataset': 'flickr30k',
}
TEXTS = {
    'coco': ('captions.json', json.dumps(COCO)),
    'karpathy': ('dataset.json', json.dumps(KARPATHY)),
    'json': ('train.json', json.dumps(ALBEF, indent=1)),
    'jsonl': ('train.jsonl', '\n'.join(map(json.dumps, ALBEF)) + '\n\n'),
    'flickr_tokens': ('Flickr8k.token.txt', 'a.jpg#0\ta dog runs\na.jpg#1\ttwo dogs\n\nb.jpg#0\ta cat, asleep\n'),
    'flickr30k_csv': (
        'results.csv',
        'image_name| comment_number| comment\na.jpg| 0| a dog runs\na.jpg| 4   two dogs\nb.jpg| 0| a cat, asleep\n',
    ),
    'table': ('captions.txt', 'image,caption\na.jpg,a dog runs\na.jpg,two dogs\nb.jpg,"a cat, asleep"\n'),
}


def write(tmp_path: Path, name: str, text: str) -> str:
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    return str(path)


@pytest.mark.parametrize('byte_order_mark', ['', '\ufeff'])
@pytest.mark.parametrize('format', TEXTS)
def test_formats_agree(format: str, byte_order_mark: str, tmp_path: Path, capsys) -> None:
    name, text = TEXTS[format]
    path = write(tmp_path, name, byte_order_mark + text)
    assert detect_format(path) == format
    captions = read_captions(path, format)
    assert captions == read_captions(path) == EXPECTED
    assert list(captions) == list(EXPECTED)
    assert capsys.readouterr().out == ''


def test_folder(tmp_path: Path) -> None:
    (tmp_path / 'sub').mkdir()
    for name in ('b.JPG', 'a.png', 'sub/c.webp', 'notes.pdf'):
        (tmp_path / name).touch()
    (tmp_path / 'a.txt').write_text('a dog\n\n two dogs \n')
    (tmp_path / 'sub' / 'c.txt').write_text('a cat')
    expected = {'a.png': ['a dog', 'two dogs'], 'b.JPG': [], 'sub/c.webp': ['a cat']}
    assert read_captions(str(tmp_path)) == {str(tmp_path / name): texts for name, texts in expected.items()}
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='no image'):
        read_captions(str(tmp_path / 'empty'), 'folder')


def test_every_reader_is_tested() -> None:
    assert set(READERS) == {*TEXTS, 'folder', 'imagefolder', 'parquet', 'webdataset'}  # these in test_every_format.py


@pytest.mark.parametrize(('split', 'names'), [('train', ['a.jpg']), (['train', 'test'], ['a.jpg', 'b.jpg'])])
def test_karpathy_splits(split: str | list[str], names: list[str], tmp_path: Path) -> None:
    path = write(tmp_path, *TEXTS['karpathy'])
    assert list(read_captions(path, split=split)) == names


def test_karpathy_unknown_split_and_folders(tmp_path: Path) -> None:
    path = write(tmp_path, *TEXTS['karpathy'])
    with pytest.raises(ValueError, match=r"has no split \['val'\], only \['test', 'train'\]"):
        read_captions(path, split=['train', 'val'])
    content = {'images': [dict(KARPATHY['images'][0], filepath='val2014')]}
    assert list(read_captions(write(tmp_path, 'c.json', json.dumps(content)))) == ['val2014/a.jpg']


@pytest.mark.parametrize(
    ('text', 'columns'),
    [
        ('filepath\ttitle\nx.jpg\ta, "b"\n', None),
        ('id,text,image\n1,"a, ""b""",x.jpg\n', None),
        ('url,alt\nx.jpg,"a, ""b"""\n', dict(image='url', caption='alt')),
        ('image,title,caption\nx.jpg,no,"a, ""b"""\n', None),
    ],
)
def test_table_columns(text: str, columns: dict | None, tmp_path: Path) -> None:
    path = write(tmp_path, 'pairs.csv', text)
    assert read_captions(path, columns=columns) == {'x.jpg': ['a, "b"']}


def test_table_caption_over_two_lines(tmp_path: Path) -> None:
    path = write(tmp_path, 'pairs.csv', 'image,caption\nx.jpg,"one\ntwo"\ny.jpg,a,b\n')
    with pytest.raises(ValueError, match=r'pairs\.csv:4: expected the 2 columns'):
        read_table(path)


BAD = {
    'line without number': ('flickr_tokens', 'a.jpg#0\ta\nb.jpg\tb\n', r':2: expected `name\.jpg#number<TAB>caption`'),
    'line without bars': ('flickr30k_csv', 'image_name| comment_number| comment\na.jpg| 0| a\nb\n', r':3: expected'),
    'json lines': ('jsonl', '{"image": "a", "caption": "b"}\n{"image"', r':2: not valid JSON'),
    'json lines without caption': ('jsonl', '{"image": "a"}\n', r":1: expected an object with 'image'"),
    'caption is a number': ('json', '[{"image": "a", "caption": 3}]', r"entry 0: .*'caption' must be"),
    'list of strings': ('json', '["a"]', 'entry 0: expected an object'),
    'object for list': ('json', '{}', 'expected a list'),
    'cut off': ('json', '[{"image"', 'not valid JSON'),
    'instances': ('coco', '{"images": [], "annotations": [{"image_id": 1, "bbox": []}]}', 'a file of instances'),
    'coco without images': ('coco', '{"annotations": []}', "with lists 'images'"),
    'coco unknown image': (
        'coco',
        '{"images": [], "annotations": [{"id": 1, "image_id": 1, "caption": "a"}]}',
        r"not in 'images': \[1\]",
    ),
    'karpathy without raw': (
        'karpathy',
        '{"images": [{"filename": "a", "split": "b", "sentences": [{}]}]}',
        "image 0: expected 'filename'",
    ),
    'karpathy list': ('karpathy', '[]', "a list 'images'"),
    'table row': ('table', 'image,caption\na,b\nc\n', r':3: expected the 2 columns'),
    'table quote': ('table', 'image,caption\na,"b\n', r':2: unexpected end of data; expected the 2 columns'),
    'table header': (
        'table',
        'image,words\na,b\n',
        r':1: no column for the caption .*set columns=dict\(caption=\.\.\.\)',
    ),
}


@pytest.mark.parametrize('case', BAD)
def test_malformed_files_say_where_and_what(case: str, tmp_path: Path) -> None:
    format, text, message = BAD[case]
    path = write(tmp_path, 'file.x', text)
    with pytest.raises(ValueError, match=message) as raised:
        read_captions(path, format)
    assert path in str(raised.value)


def test_bad_requests(tmp_path: Path) -> None:
    tokens = write(tmp_path, *TEXTS['flickr_tokens'])
    table = write(tmp_path, *TEXTS['table'])
    with pytest.raises(FileNotFoundError, match=r'nothing\.json does not exist'):
        read_captions(str(tmp_path / 'nothing.json'))
    with pytest.raises(ValueError, match=r"unknown format 'xml'.*auto, coco, karpathy"):
        read_captions(tokens, 'xml')
    with pytest.raises(ValueError, match=r'cannot tell the format.*flickr_tokens'):
        read_captions(write(tmp_path, 'x.txt', 'hello\n'))
    with pytest.raises(ValueError, match=r"split= belongs to format 'karpathy'; .*split_file="):
        read_captions(tokens, split='train')
    with pytest.raises(ValueError, match="columns= belongs to format 'table'"):
        read_captions(tokens, columns=dict(image='x'))
    with pytest.raises(ValueError, match=r"unknown \['picture'\]"):
        read_captions(table, columns=dict(picture='x'))
    (tmp_path / 'latin.txt').write_bytes('a.jpg#0\tété\n'.encode('latin-1'))
    with pytest.raises(ValueError, match=r'latin\.txt:1: not UTF-8'):
        read_captions(str(tmp_path / 'latin.txt'))


def test_split_file(tmp_path: Path) -> None:
    assert keep_listed(EXPECTED, write(tmp_path, 'split.txt', 'b.jpg\n\nb.jpg\n')) == {'b.jpg': EXPECTED['b.jpg']}
    with pytest.raises(ValueError, match=r"split\.txt: 1 of 2 names are not in the caption file: a; .*'a\.jpg'"):
        keep_listed(EXPECTED, write(tmp_path, 'split.txt', 'a\nb.jpg\n'))


def test_large_single_line_json_is_told_by_its_beginning(tmp_path: Path) -> None:
    many = [dict(KARPATHY['images'][0], filename=f'{n}.jpg') for n in range(2000)]
    assert detect_format(write(tmp_path, 'k.json', json.dumps({'images': many}))) == 'karpathy'
    images = [{'id': n, 'file_name': f'{n}.jpg'} for n in range(5000)]
    assert detect_format(write(tmp_path, 'c.json', json.dumps({'images': images, 'annotations': []}))) == 'coco'
