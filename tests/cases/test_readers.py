"""Caption files that people have: each is read as it was meant, or refused in one line that names the file and the entry."""

import json
from pathlib import Path

import pytest

from sacl_mm.datasets.caption_formats import READERS, keep_listed, read_captions
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

INPUTS = Path(__file__).parent / 'inputs'
DOG = {'0.png': ['a dog']}


def write(tmp_path: Path, content: str | bytes, name: str = 'pairs.txt') -> str:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


SHARED = {
    'coco_annotation_without_id.json (legal: nothing needs it)': {'0.png': ['a']},
    'hf_metadata.jsonl': {'0.png': ['a dog'], '1.png': ['a cat']},
    'hf_metadata.csv': DOG,
    'csv_semicolon_bom.csv': {'a.jpg': ['red; round']},
    'tsv_quote_inside.tsv': {'0.png': ['"stop" sign is red'], '1.png': ['a cat']},
    'tsv_unquoted_rows.tsv': {
        '0.png': ['"A dog runs'],
        '1.png': ['a cat'],
        '2.png': ['a man said hello'],
        '3.png': ['the red dog"'],
        '4.png': ['blue'],
    },
}


@pytest.mark.parametrize('case', SHARED)
def test_inputs_that_are_read(case: str) -> None:
    assert read_captions(str(INPUTS / case.split()[0])) == SHARED[case]


READ = {
    'UTF-16 CSV from Excel': ('Image\tCaption\r\n0.png\ta dog\r\n'.encode('utf-16'), {}),
    'UTF-16, big end first, commas': (b'\xfe\xff' + 'image,caption\n0.png,a dog\n'.encode('utf-16-be'), {}),
    'UTF-32': ('image,caption\n0.png,a dog\n'.encode('utf-32'), {}),
    'UTF-16 JSON': (json.dumps([{'image': '0.png', 'caption': 'a dog'}]).encode('utf-16'), {}),
    '`Filename,Caption` in any case': ('Filename,Caption\n0.png,a dog\n', {}),
    'FILE NAME and Description': ('FILE NAME;Description\n0.png;a dog\n', {}),
    'image_path and sentence': ('id\timage_path\tsentence\n7\t0.png\ta dog\n', {}),
    'a bar between the columns': ('img|text\n0.png|a dog\n', {}),
    'the line that Excel begins with': ('sep=;\nimage;caption\n0.png;a dog\n', {}),
    'an index of pandas': (',image,caption\n0,0.png,a dog\n', {}),
    'lines ended as on old Macs': ('image,caption\r0.png,a dog\r', {}),
    'lines ended as on Windows, blank ones between': ('image,caption\r\n\r\n0.png,a dog\r\n\r\n', {}),
    'empty rows of a spreadsheet': ('image,caption\n0.png,a dog\n,\n , \n', {}),
    'spaces after the commas': ('image, caption\n0.png, "a dog"\n', {}),
    '`columns=` for JSON lines': ('{"im": "0.png", "alt": "x", "words": "a dog"}\n', dict(image='im', caption='words')),
    'columns= for a list': ('[{"im": "0.png", "words": ["a dog"]}]', dict(image='im', caption='words')),
    'columns= of which one is usual': ('{"file_name": "0.png", "words": "a dog"}', dict(caption='words')),
    'capital keys in JSON lines': ('{"File_Name": "0.png", "Text": "a dog"}', {}),
    'no header': ('0.png,a dog\n', dict(image=0, caption=1)),
    'no header, captions first, tabs': ('a dog\t0.png\n', dict(image=1, caption=0)),
    'no header, semicolons beside commas': ('0.png;a dog\n1.png;a cat, a bird\n', dict(image=0, caption=1)),
    'no header, a name that a semicolon could end': ('0.png;x,a dog\n', dict(image=0, caption=1)),
}
OTHERWISE = {
    'no header, semicolons beside commas': DOG | {'1.png': ['a cat, a bird']},
    'no header, a name that a semicolon could end': {'0.png': ['x,a dog']},
}


@pytest.mark.parametrize('case', READ)
def test_formats_that_people_have(case: str, tmp_path: Path) -> None:
    content, columns = READ[case]
    assert read_captions(write(tmp_path, content), columns=columns or None) == OTHERWISE.get(case, DOG)


TABS = {
    'a quoted caption of Excel': ('"a dog, a cat"', 'a dog, a cat'),
    'doubled quotes of pandas': ('"""stop"" sign"', '"stop" sign'),
    'a quoted tab of pandas': ('"a\tdog"', 'a\tdog'),
    'two lines of pandas': ('"a\ndog"', 'a\ndog'),
    'two words in quotes of CC3M': ('"a dog" and "a cat"', '"a dog" and "a cat"'),
    'an inch sign of SBU': ('a 20" screen', 'a 20" screen'),
    'a quote that nothing closes': ('"a dog', '"a dog'),
    'an apostrophe': ("dogs' 'day'", "dogs' 'day'"),
}


@pytest.mark.parametrize('case', TABS)
@pytest.mark.parametrize('image_first', [True, False])
def test_captions_between_tabs(case: str, image_first: bool, tmp_path: Path) -> None:
    written, caption = TABS[case]
    rows = [('image', 'caption'), ('0.png', written), ('1.png', 'a "cat"')]
    text = ''.join('\t'.join(row if image_first else row[::-1]) + '\n' for row in rows)
    assert read_captions(write(tmp_path, text)) == {'0.png': [caption], '1.png': ['a "cat"']}


BAD = {
    'coco_ids_given_twice.json': r"json: image 6: the id 0 of '6\.png' belongs to '0\.png' already",
    'coco_image_without_id.json': r"json: image 0: expected an 'id'",
    'coco_image_without_file_name.json': r"json: image 0: expected .*no 'file_name'",
    'coco_annotation_is_a_string.json': r"json: annotation 0: expected a 'caption' .*it is 'x'",
    'cc3m_urls.tsv': r'tsv: the file has addresses of images.*img2dataset --url_list',
}


@pytest.mark.parametrize('case', BAD)
def test_inputs_that_are_refused_in_one_line(case: str) -> None:
    refused(str(INPUTS / case), BAD[case])


def refused(path: str, message: str, **options: object) -> None:
    with pytest.raises(AnnotationError, match=message) as raised:
        read_captions(path, **options)
    assert path in str(raised.value)
    assert '\n' not in str(raised.value)


def coco(image: str = '{"id": 0, "file_name": "0.png"}', annotation: str = '{"image_id": 0, "caption": "a"}') -> str:
    return f'{{"images": [{image}], "annotations": [{annotation}]}}'


REFUSED = {
    '`images: null`': ('{"images": null, "annotations": []}', "lists 'images' and 'annotations'"),
    'annotations: a number': ('{"images": [], "annotations": 3}', "lists 'images' and 'annotations'"),
    'JSON nested 100,000 deep': ('[' * 100_000, 'nested too deeply'),
    'an object nested 100,000 deep': ('{"images":' * 100_000, 'nested too deeply'),
    'JSON lines nested 100,000 deep': ('{"image": "0.png", "caption": ' + '[' * 100_000, 'nested too deeply'),
    'a 5,000-digit number': (coco(f'{{"id": {"1" * 5000}, "file_name": "0.png"}}'), 'not valid JSON .*digits'),
    'a 5,000-digit number in a list': (f'[{{"image": "0.png", "caption": "a", "n": {"1" * 5000}}}]', 'digits'),
    'a number of 100 digits': (coco(f'{{"id": {"1" * 100}, "file_name": "0.png"}}'), 'image 0: .*64 bits'),
    'an id that is NaN': (coco('{"id": NaN, "file_name": "0.png"}'), "image 0: .*'id' must be a whole number.* nan"),
    'an id that is infinite': (coco('{"id": -Infinity, "file_name": "0.png"}'), 'image 0: .* -inf'),
    'an id that is true': (coco('{"id": true, "file_name": "0.png"}'), 'image 0: .*True'),
    'an id that is a list': (coco('{"id": [0], "file_name": "0.png"}'), 'image 0: .*whole number'),
    'an id that is empty': (coco('{"id": "", "file_name": "0.png"}'), 'image 0: .*whole number'),
    'an image id that is null': (coco(annotation='{"image_id": null, "caption": "a"}'), 'annotation 0: .*None'),
    'an image id of another type': (coco(annotation='{"image_id": "0", "caption": "a"}'), "not in 'images': .'0'"),
    'image ids that do not compare': (
        coco(annotation='{"image_id": "x", "caption": "a"}, {"image_id": 7, "caption": "a"}'),
        "annotations of 2 images .* not in 'images': .'x', 7",
    ),
    'a caption that is null': (coco(annotation='{"image_id": 0, "caption": null}'), "annotation 0: .*'caption'"),
    'an image that is null': (coco('null'), 'image 0: .*it is None'),
    'an image that is a list': (coco('[0, "0.png"]'), 'image 0: .*it is .0'),
    'a file name that is a number': (coco('{"id": 0, "file_name": 7}'), "image 0: .*'file_name' must be the name"),
    'a file name that is empty': (coco('{"id": 0, "file_name": " "}'), "image 0: .*no file has the name ' '"),
    'names with lone surrogates': (coco('{"id": 0, "file_name": "\\ud83d.png"}'), 'image 0: .*half a character'),
    'a lone surrogate in an ALBEF name': ('[{"image": "a\\ud83d.png", "caption": "a"}]', 'entry 0: .*half a char'),
    'a NUL in a name': ('[{"image": "a\\u0000.png", "caption": "a"}]', r'entry 0: .*no file has the name'),
    'a NUL in a table': ('image,caption\na\0.png,x\n', r':2: .*(NUL|no file has the name)'),
    'a key given twice': ('[{"image": "0.png", "image": "1.png", "caption": "a"}]', "'image' stands twice"),
    'a list of images given twice': ('{"images": [],\n"images": [], "annotations": []}', "'images' stands twice"),
    'an entry without a caption': ('[{"image": "0.png"}]', r'entry 0: .*no column for the caption .*columns=dict'),
    'a caption that is an object': ('[{"image": "0.png", "caption": {"en": "a"}}]', "entry 0: .*'caption' must be"),
    'captions of which one is null': ('[{"image": "0.png", "caption": ["a", null]}]', "entry 0: .*'caption' must be"),
    'addresses in JSON lines': ('{"url": "http://example.invalid/1.jpg", "caption": "a"}', ':1: .*img2dataset'),
    'addresses without a header': ('a dog\thttp://example.invalid/1.jpg\n', 'img2dataset'),
    'a split that is a list': ('{"images": [{"filename": "a", "split": [], "sentences": []}]}', "image 0: .*'split'"),
    'sentences that are null': ('{"images": [{"filename": "a", "split": "b", "sentences": null}]}', 'image 0: .*list'),
    'a sentence that is a text': (
        '{"images": [{"filename": "a", "split": "b", "sentences": ["x"]}]}',
        "image 0: expected 'filename'.*no 'raw'",
    ),
    'a folder that is a number': (
        '{"images": [{"filename": "a", "filepath": 3, "split": "b", "sentences": []}]}',
        "image 0: .*'filepath' must be a text",
    ),
    'a table without a header': ('0.png,a dog\n', r'without a header needs columns=dict\(image=0, caption=1\)'),
    'a table without a header, image last': ('a dog\t0.png\n', r'columns=dict\(image=1, caption=0\)'),
    'a header without an image': ('words,caption\n1,a\n', r'no column for the image .*columns=dict\(image=\.\.\.\)'),
    'a column given twice': ('image,caption,caption\n0.png,a,b\n', "'caption' stands 2 times"),
    'rows with too many fields': (
        'image,caption\n0.png,a, b\n1.png,c\n2.png,d, e, f\n',
        ':2: expected the 2 columns .*, got 3 .*1 more rows',
    ),
    'a tab too many': ('image\tcaption\n0.png\ta\tb\n', ':2: expected the 2 columns .*, got 3'),
    'a tab too few': ('image\tcaption\n0.png a\n', ':2: expected the 2 columns .*, got 1'),
    'a row without a name': ('image,caption\n,a dog\n', ":2: no file has the name ''"),
    'a quote that makes rows vanish': (
        'image,caption\n0.png,"A dog runs\n1.png,a cat\n2.png,the red dog"\n3.png,blue\n',
        ':2: a quote opens here and closes only in line 4, but line 3 looks like a row',
    ),
    'a quote that nothing closes': ('image,caption\n0.png,"a\n1.png,b\n', ':2: unexpected end of data'),
    'text after a closed quote': ('image,caption\n0.png,"a" b\n', ":2: ',' expected after"),
    'a field of 200,000 letters': ('image,caption\n0.png,' + 'a' * 200_000, ':2: field larger than field limit'),
    'Latin-1': ('image,caption\n0.png,a\n1.png,été\n'.encode('latin-1'), ':3: not UTF-8 text .*0xe9.*save the file'),
    'Latin-1 JSON': ('[{"image": "é.png", "caption": "a"}]'.encode('latin-1'), ':1: not UTF-8'),
    'a cut UTF-16 file': ('image\tcaption\n'.encode('utf-16')[:-1], 'begins as UTF-16, but is not'),
    'an encrypted Parquet file': (b'PARE\x15\x04', 'encrypted Parquet file: decrypt'),
    'Arrow': (b'ARROW1\0\0', r'an Arrow file: .*datasets\.Dataset.*to_parquet'),
    'a tar by another name': (b'0.jpg'.ljust(257, b'\0') + b'ustar\x0000', r'rename it so that it ends in \.tar'),
    'an Excel workbook': (b'PK\x03\x04\x14\0', 'Excel workbook: .*CSV UTF-8'),
    'a compressed file': (b'\x1f\x8b\x08\0', 'gzip: unpack it'),
    'an empty file': ('', 'cannot tell the format'),
    'a page of a web server': ('<!DOCTYPE html>\n<html>', 'cannot tell the format .*<!DOCTYPE'),
}


@pytest.mark.parametrize('case', REFUSED)
def test_files_that_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    refused(write(tmp_path, content), message)


OPTIONS = {
    'one column by its number': dict(image=0),
    'equal numbers': dict(image=1, caption=1),
    'a negative number': dict(image=-1, caption=0),
    'a name and a number': dict(image='image', caption=1),
    'true': dict(image=True, caption=0),
    'a list': dict(image=['image'], caption='caption'),
}


@pytest.mark.parametrize('case', OPTIONS)
def test_columns_that_make_no_sense(case: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match='columns=.*give names, or .* numbers'):
        read_captions(write(tmp_path, 'image,caption\n0.png,a\n'), columns=OPTIONS[case])


def test_numbered_columns_belong_to_tables(tmp_path: Path) -> None:
    refused(
        write(tmp_path, '{"image": "0.png", "caption": "a"}'), 'names, not numbers', columns=dict(image=0, caption=1)
    )


def test_a_separator_that_cannot_be_told(tmp_path: Path) -> None:
    refused(write(tmp_path, 'zero;x,a dog\n'), ':1: cannot tell what separates', columns=dict(image=0, caption=1))
    refused(write(tmp_path, 'a b c\n'), ':1: cannot tell what separates', columns=dict(image=0, caption=1))


def test_a_header_is_not_taken_for_an_image(tmp_path: Path) -> None:
    path = write(tmp_path, 'image,caption\n0.png,a dog\n')
    assert read_captions(path, columns=dict(image=0, caption=1)) == DOG


@pytest.mark.parametrize('format', sorted(set(READERS) - {'folder', 'imagefolder', 'parquet', 'webdataset'}))
def test_a_folder_for_a_file(format: str, tmp_path: Path) -> None:
    refused(str(tmp_path), 'expected a file, this is a folder', format=format)


REPAIRED = {
    'half_emoji.json': (None, {'7.png': ['so happy today \ufffd']}, '7.png'),
    'half an emoji in COCO': (
        coco(annotation='{"image_id": 0, "caption": "\\udc36 a"}'),
        {'0.png': ['\ufffd a']},
        '0.png',
    ),
    'half an emoji in JSON lines': ('{"image": "0.png", "caption": ["\\ud83d"]}', {'0.png': ['\ufffd']}, '0.png'),
    'a whole emoji in two halves': ('[{"image": "0.png", "caption": "\\ud83d\\ude00"}]', {'0.png': ['😀']}, None),
}


@pytest.mark.parametrize('case', REPAIRED)
def test_half_characters_are_read_as_u_fffd_and_counted(case: str, tmp_path: Path) -> None:
    content, expected, named = REPAIRED[case]
    path = str(INPUTS / case) if content is None else write(tmp_path, content)
    report = ReadingReport(path)
    captions = read_captions(path, report=report)
    assert expected.items() <= captions.items()
    remarks = [(remark.count, remark.examples) for remark in report.repaired.values()]
    assert remarks == ([(1, [f'{path}: caption of {named}'])] if named else [])


def test_a_bar_that_flickr30k_lacks_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path, 'image_name| comment_number| comment\n0.png| 0| a dog\n0.png| 4   a cat\n')
    report = ReadingReport(path)
    assert read_captions(path, report=report) == {'0.png': ['a dog', 'a cat']}
    assert report.lines() == [f'repaired, lines without their second bar: 1 ({path}:3)']


def test_images_that_come_again_are_counted(tmp_path: Path) -> None:
    images = '{"id": 0, "file_name": "0.png"}, {"id": 0, "file_name": "0.png"}, {"id": 1, "file_name": "0.png"}'
    path = write(tmp_path, coco(images))
    report = ReadingReport(path)
    assert read_captions(path, report=report) == {'0.png': ['a']}
    listed = write(tmp_path, '0.png\n0.png\n', 'split.txt')
    keep_listed({'0.png': ['a']}, listed, report)
    assert report.noticed['images that are listed again'].count == 3


def test_split_files_that_are_not_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, 'été.png\n'.encode('latin-1'))
    with pytest.raises(AnnotationError, match=r'pairs\.txt:1: not UTF-8'):
        keep_listed({'0.png': ['a']}, path)


def test_json_names_of_files_that_are_not_utf8(tmp_path: Path) -> None:
    (path,) = read_captions(write(tmp_path, '[{"image": "a\\udcff.png", "caption": "a"}]'))
    assert path == 'a\udcff.png'
