"""What comes from files reaches log, terminal and HTML without obeying markup or control characters."""

import json
import os
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from command_line import load_tool
from markupsafe import escape
from PIL import Image

from sacl_mm.datasets import ImageTextPairs
from sacl_mm.report.figures import Line, line_figure
from sacl_mm.report.gallery import Mark, Query
from sacl_mm.report.page import environment
from sacl_mm.report.retrieval import Thumbnail
from sacl_mm.report.scores import score_table
from sacl_mm.report.weights import BatchWeights
from sacl_mm.user_error import printable

UNSAFE = {
    'an escape sequence': 'a\x1b[31mb.jpg',
    'a newline': 'a\nb.jpg',
    'a bell': 'a\x07b.jpg',
    'a C1 control': 'a\x9bb.jpg',
    'a right-to-left override': 'a\u202eb.jpg',
    'a lone surrogate': 'a\udcffb.jpg',
}
MARKUP = {'markup of rich': '[red]a.jpg', 'a closing tag of rich': 'a[/].jpg', 'a colour': 'a[on blue]b.jpg'}
HTML = {
    'a script': '<script>alert(1)</script>',
    'an end of an attribute': '"><img src=x onerror=alert(1)>',
    'a single quote': "' onload='alert(1)",
    'an entity': '&lt;b&gt;',
    'a comment': '<!-- ',
}


# ------------------------------------------------------------------------------------------------ log
@pytest.mark.parametrize('name', UNSAFE.values(), ids=UNSAFE)
@pytest.mark.parametrize('what', ['broken', 'missing', 'outside', 'without a caption'])
def test_log(what, name, tmp_path, monkeypatch):
    lines = []
    for module in ('datasets.image_text_dataset', 'reading_report'):
        monkeypatch.setattr(f'sacl_mm.{module}.print_log', lambda text, **options: lines.append(text))
    if what == 'broken':
        (tmp_path / name).write_bytes(b'')
    Image.new('RGB', (4, 4)).save(tmp_path / 'good.png')
    entries = [
        dict(image=f'/{name}' if what == 'outside' else name, caption=[] if what == 'without a caption' else 'a star'),
        dict(image='good.png', caption='a star'),
    ]
    (tmp_path / 'captions.json').write_text(json.dumps(entries))
    pipeline = [dict(type='sacl_mm.LoadImage')]
    dataset = ImageTextPairs('captions.json', str(tmp_path), pipeline=pipeline, serialize_data=False)
    assert dataset[0]['img_path'].endswith('good.png')
    assert lines
    for line in lines:
        assert line.isprintable()


# ------------------------------------------------------------------------------------------------ terminal
@pytest.mark.parametrize('name', [*UNSAFE.values(), *MARKUP.values()], ids=[*UNSAFE, *MARKUP])
def test_terminal_describe_data(name, tmp_path, monkeypatch, capsys):
    module = load_tool('describe_data')
    (tmp_path / 'captions.json').write_text(json.dumps([dict(image=name, caption='a [bold]star[/bold]')]))
    dataset = dict(type='ImageTextPairs', ann_file='captions.json', data_root=str(tmp_path))
    (tmp_path / 'config.py').write_text(f'train_dataloader = dict(dataset={dataset!r})')
    monkeypatch.setattr(sys, 'argv', ['describe_data.py', str(tmp_path / 'config.py')])
    module.main()
    printed = capsys.readouterr().out
    assert printed.replace('\n', '').isprintable()
    assert 'a [bold]star[/bold]' in printed
    assert (os.path.basename(name) if name in MARKUP.values() else '\\') in printed


@pytest.mark.parametrize('name', [*UNSAFE.values(), *MARKUP.values()], ids=[*UNSAFE, *MARKUP])
def test_terminal_compare_runs(name, tmp_path, monkeypatch, capsys):
    module = load_tool('compare_runs')
    measures = {'retrieval/R@1': 50.0, f'x/{name}': 1.0}
    (tmp_path / '1').mkdir()
    (tmp_path / '1' / '1.json').write_text(json.dumps(measures))
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setattr(sys, 'argv', ['compare_runs.py', f'{name}={tmp_path}'])
    module.main()
    printed = capsys.readouterr().out
    assert printed.replace('\n', '').isprintable()
    if name in MARKUP.values():
        assert printed.count(name) == 2


# ------------------------------------------------------------------------------------------------ HTML
def assert_harmless(html: str, given: str) -> None:
    assert given not in html
    for tag in ('<script', 'src=x', '<!--'):
        assert tag not in html.replace('&lt;script', '').replace('src=x onerror=alert(1)&gt;', '')


@pytest.mark.parametrize('given', HTML.values(), ids=HTML)
@pytest.mark.parametrize('control', ['', '\x1b[2J', '\udcff'], ids=['', 'an escape sequence', 'a lone surrogate'])
def test_html(given, control):
    words = given + control
    images = Images(
        [words], total=2, knows_truth=False, thumbnail=lambda i, side=0: Thumbnail(None if i else 'data:,', words)
    )
    found, missing = Query(0, 1, {words: [(0, Mark.FALSE)]}), Query(1, 1, {words: []})
    queries = dict(by_caption=[found], by_image=[found, missing])
    batch = BatchWeights(
        np.arange(2), np.zeros(2, int), np.array([[np.nan, 2.0], [0.5, np.nan]]), np.zeros((2, 2), bool)
    )
    lacking = dict(scores=[words], retrieval=[words], weights=[words])
    page = (
        environment()
        .get_template('page.html')
        .render(
            title=words,
            lead=words,
            runs=[words],
            report=SimpleNamespace(names=[words], table=score_table([{words: 1.0}]), headline=words, lacking=lacking),
            figures=[dict(title=words, svg='', caption=words)],
            weights={words: dict(small=batch, large=batch, svg='', images=images)},
            gallery=dict(images=images, top=5, marks=list(Mark), shares={words: {Mark.FALSE: 100.0}}) | queries,
            facts={words: {words: words}},
            made={words: words},
            numbers=words,
        )
    )
    assert_harmless(page, given)
    assert page.count(str(escape(printable(words)))) > 20  # it is shown at all
    page.encode()
    assert not control or control not in page


class Images(SimpleNamespace):
    """In the place of a `ValidationImages`."""

    def __init__(self, captions: list[str], **facts: object) -> None:
        super().__init__(captions=captions, **facts)

    def __len__(self) -> int:
        return len(self.captions)


@pytest.mark.parametrize('given', [*HTML.values(), *UNSAFE.values()], ids=[*HTML, *UNSAFE])
def test_a_figure_stays_well_formed(given):
    figure = ElementTree.fromstring(line_figure(given, [Line(given, [(1, 1.0)], 0)], given, given))
    assert figure.get('aria-label') == printable(given)
    assert not {element.tag.rpartition('}')[2] for element in figure.iter()} & {'script', 'img', 'b'}
