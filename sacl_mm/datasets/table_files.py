"""Tables of images and captions: comma, semicolon, tab or bar, with a header or without."""

import csv
import re
from collections.abc import Iterator, Sequence

from sacl_mm.datasets.annotation_fields import FieldError, check, image_name, shown
from sacl_mm.datasets.column_names import TO_DOWNLOAD, Columns, are_numbers, find_columns, is_header
from sacl_mm.datasets.image_files import has_image_suffix
from sacl_mm.datasets.text_files import read_text
from sacl_mm.reading_report import ReadingReport
from sacl_mm.user_error import AnnotationError

SEPARATORS = ('\t', ';', ',', '|')
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_EXCELS_SEPARATOR = re.compile(r'"?sep=([,;|\t])"?')  # a first line that Excel reads and writes
_MOST_LINES_OF_A_ROW = 50
_ROWS_TO_JUDGE_BY = 100


def read_table(path: str, columns: Columns | None = None, report: ReadingReport | None = None) -> dict[str, list[str]]:
    """A table as spreadsheets, pandas, CC3M and SBU write it; the header tells the separator.

    Fields are quoted by the rule of CSV (RFC 4180). Where tabs separate them, a line that has the right number of fields
    is a row, whatever its quotes: CC3M does not quote, `"stop" sign` is a caption there.

    `columns=dict(image=..., caption=...)` names the columns, by default the first that exists of
    `column_names.IMAGE_COLUMNS` and `CAPTION_COLUMNS`; given as numbers, from 0, the table has no header.

    Raises:
        AnnotationError: with the file, the line and what was expected there.
    """
    columns, report, header = columns or {}, report or ReadingReport(path), None
    lines = read_text(path).split('\n')
    separators: Sequence[str] = SEPARATORS
    start = _first_line(lines, 0)
    if told := _EXCELS_SEPARATOR.fullmatch(lines[start].strip(' ')):
        start, separators = _first_line(lines, start + 1), (told[1],)
    if are_numbers(columns):
        image, caption = columns['image'], columns['caption']
        separator = _separator_without_header(path, lines[start:], separators, image, caption)
        first_row = split_line(lines[start], separator)
        start, width = start + is_header(first_row[image], first_row[caption]), len(first_row)
    else:
        try:
            separator, header, (image, caption) = read_header(lines[start], columns, separators)
        except FieldError as error:
            raise AnnotationError(f'{path}:{start + 1}: {error}') from None
        start, width = start + 1, len(header)
    expected = f'expected the {width} columns {header or ""}'.rstrip()

    captions: dict[str, list[str]] = {}
    misfits: list[str] = []
    rows = _tab_rows(lines, start, width) if separator == '\t' else _csv_rows(path, lines, start, separator, expected)
    for first, last, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != width:
            misfits.append(f'{path}:{last}: {expected}, got {len(row)} ({shown(row)})')
            continue
        if last > first:
            _check_no_row_inside(path, lines, first, last, separator, width, image, row[image])
            report.notice('captions over several lines', f'{path}:{first}')
        try:
            name = image_name(row[image].strip())
        except FieldError as error:
            raise AnnotationError(f'{path}:{first}: {error}') from None
        captions.setdefault(name, []).append(row[caption].strip())
    if misfits:
        more = f'; {len(misfits) - 1} more rows are like it' if len(misfits) > 1 else ''
        raise AnnotationError(f'{misfits[0]}; a caption that holds the separator must stand in quotes{more}')
    return captions


def _first_line(lines: list[str], start: int) -> int:
    """The place of the first line from `start` on that is not blank; of the last line if all are."""
    return next((place for place in range(start, len(lines)) if lines[place].strip()), len(lines) - 1)


def read_header(
    line: str, columns: Columns, separators: Sequence[str] = SEPARATORS
) -> tuple[str, list[str], tuple[int, int]]:
    """The separator, the columns' names, and the places of image and caption.

    Raises:
        FieldError: no separator gives both columns.
    """
    errors = {}
    for separator in separators:
        names = [name.strip() for name in split_line(line, separator)]
        try:
            return separator, names, find_columns(names, columns)
        except FieldError as error:
            errors[len(names), -separators.index(separator)] = error
    raise errors[max(errors)]


def split_line(line: str, separator: str) -> list[str]:
    """The fields of a line without regard to the lines around it."""
    if separator != '\t' and '"' in line:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [''])
    return [_unquoted(field) for field in line.split(separator)]


def _separator_without_header(path: str, lines: list[str], separators: Sequence[str], image: int, caption: int) -> str:
    sample = [line for line in lines if line.strip()][:_ROWS_TO_JUDGE_BY]
    check(sample, f'{path}: no rows')
    fitting = {}
    for separator in separators:
        rows = [split_line(line, separator) for line in sample]
        if len(rows[0]) > max(image, caption) and all(len(row) == len(rows[0]) for row in rows):
            fitting[separator] = all(has_image_suffix(row[image]) for row in rows)
    # Where several would do, the images' names decide.
    named = [separator for separator, has_names in fitting.items() if has_names]
    candidates = named if len(fitting) > 1 else list(fitting)
    check(
        len(candidates) == 1,
        f'{path}:1: cannot tell what separates the columns {image} and {caption} of {shown(sample[0])}; give the file a '
        "header, 'image' and 'caption', and quote captions that hold the separator",
    )
    check('://' not in split_line(sample[0], candidates[0])[image], f'{path}:1: {TO_DOWNLOAD}')
    return candidates[0]


def _csv_rows(
    path: str, lines: list[str], start: int, separator: str, expected: str
) -> Iterator[tuple[int, int, list[str]]]:
    """Rows by the rule of CSV, each with its first and last line."""
    reader = csv.reader(
        (line + '\n' for line in lines[start:]), delimiter=separator, strict=True, skipinitialspace=True
    )
    last = start
    try:
        for row in reader:
            yield last + 1, start + reader.line_num, [field.rstrip('\n') for field in row]
            last = start + reader.line_num
    except csv.Error as error:
        raise AnnotationError(f'{path}:{last + 1}: {error}; {expected}, and quotes closed and doubled') from None


def _tab_rows(lines: list[str], start: int, width: int) -> Iterator[tuple[int, int, list[str]]]:
    """Rows of a table with tabs, each with its first and last line."""
    number = start
    while number < len(lines):
        line, row, taken = lines[number], lines[number].split('\t'), 1
        if '"' in line:
            row, taken = _quoted_row(lines, number, row, width)
        yield number + 1, number + taken, row
        number += taken


def _quoted_row(lines: list[str], number: int, fields: list[str], width: int) -> tuple[list[str], int]:
    """The row that begins at a line with quotes, and how many lines it takes.

    What is no whole row by itself, or leaves a quote open, goes on in the next lines, if the quote closes there; a line that
    is a whole row by itself never goes into another.
    """
    complete = len(fields) == width
    is_open = any(field.startswith('"') and not _QUOTED.fullmatch(field) for field in fields)
    if is_open:
        for taken in range(1, min(_MOST_LINES_OF_A_ROW, len(lines) - number) + 1):
            if taken > 1 and complete and lines[number + taken - 1].count('\t') + 1 == width:
                break
            try:
                rows = list(
                    csv.reader([line + '\n' for line in lines[number : number + taken]], 'excel-tab', strict=True)
                )
            except csv.Error:
                continue
            if len(rows) == 1 and len(rows[0]) == width:
                return rows[0], taken
    return [_unquoted(field) for field in fields], 1


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if _QUOTED.fullmatch(field) else field


def _check_no_row_inside(
    path: str, lines: list[str], first: int, last: int, separator: str, width: int, image: int, name: str
) -> None:
    """A quote that was never meant to open a field makes rows vanish in it up to the next quote."""
    own = (
        first if lines[first - 1].split(separator)[image : image + 1] == [name] else last
    )  # where the row's name stands
    for number in range(first, last + 1):
        fields = lines[number - 1].split(separator)
        check(
            number == own or len(fields) != width or not has_image_suffix(fields[image]),
            f'{path}:{first}: a quote opens here and closes only in line {last}, but line {number} looks like a row of '
            'its own; double the quotes inside of captions, and put those captions in quotes',
        )
