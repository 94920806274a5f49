"""What comes from files reaches log, terminal and HTML without obeying markup or control characters."""

import json
import os
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from test_cached_images import tool_module

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
    module = tool_module('describe_data')
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
    module = tool_module('compare_runs')
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


def section(name: str, **context) -> str:
    return environment().get_template(f'{name}.html').render(**context)


@pytest.mark.parametrize('given', HTML.values(), ids=HTML)
@pytest.mark.parametrize('control', ['', '\x1b[2J', '\udcff'], ids=['', 'an escape sequence', 'a lone surrogate'])
def test_html(given, control):
    words = given + control
    images = SimpleNamespace(
        captions=[words],
        image_ids=[0],
        total=1,
        relevant_NT=None,
        thumbnail=lambda index, side=160: Thumbnail(None if index else 'data:,', words),
    )
    query = Query(0, 1, {words: [(0, Mark.FALSE)]})
    missing = Query(1, 1, {words: []})
    gallery = dict(images=images, top=5, marks=list(Mark), shares={words: {Mark.FALSE: 100.0}}, by_caption=[query])
    batch = BatchWeights(np.array([0]), np.array([0]), np.full((1, 1), np.nan), np.zeros((1, 1), bool))
    weights = {words: dict(small=batch, large=batch, svg='', images=images)}
    lacking = dict(scores=[words], retrieval=[words], weights=[words])
    figure = line_figure(words, [Line(words, [(1, 1.0)], 0)], words, words)
    shown = dict(runs=[words], names=[words], lacking=lacking)
    sections = {
        'scores': dict(table=score_table([{words: 1.0}]), sentences=[words]),
        'curves': dict(figures=[dict(title=words, svg=figure, caption=words)]),
        'weights': dict(weights=weights),
        'gallery': dict(gallery=gallery | dict(by_image=[query, missing])),
        'provenance': dict(facts={words: {words: words}}, made={words: words}, numbers=words),
    }
    for name, context in sections.items():
        page = section(name, **shown, **context)
        assert_harmless(page, given)
        assert 'alert(1)' in page or 'alert(1)' not in given  # it is shown at all
        page.encode()
        assert not control or control not in page
    whole = section(
        'page',
        **shown,
        **{key: value for one in sections.values() for key, value in one.items()},
        title=words,
        lead=words,
    )
    assert_harmless(whole, given)


@pytest.mark.parametrize('given', [*HTML.values(), *UNSAFE.values()], ids=[*HTML, *UNSAFE])
def test_a_figure_stays_well_formed(given):
    figure = ElementTree.fromstring(line_figure(given, [Line(given, [(1, 1.0)], 0)], given, given))
    assert figure.get('aria-label') == printable(given)
