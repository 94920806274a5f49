"""What comes from files reaches log, terminal and HTML without obeying markup or control characters."""

import json
import os
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from PIL import Image
from tool_in_process import load_tool

from sacl_mm.datasets import ImageTextPairs, ShapeWorld
from sacl_mm.report import gallery_section
from sacl_mm.report.axes import svg, text
from sacl_mm.report.marks import Mark
from sacl_mm.report.pictures import picture_tag
from sacl_mm.report.provenance import html_section

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
SCENE = ShapeWorld(num_images=1, image_size=32).scenes[0]


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
def test_html(given, control, tmp_path):
    words = given + control
    validation = SimpleNamespace(captions=[words], scenes=[SCENE], claims=[None], mark=None)
    query = SimpleNamespace(index=0, true=1, found={'infonce': [], 'sacl': []})
    run = dict(seconds=1.0, epochs=words, seed=words, checkpoint=words, command=words)
    facts = dict(
        runs=dict(infonce=run, sacl=run),
        versions={'sacl_mm': words},
        machine=dict(system=words, processor=words, cpus=2),
        commit=words,
    )
    pages = [
        picture_tag(SCENE, words),
        gallery_section._found_text(0, Mark.FALSE, validation),
        gallery_section._by_caption(query, validation),
        html_section(facts),
        text(0, 0, words),
    ]
    for page in pages:
        assert_harmless(page, given)
        if control and page not in pages[1:3]:  # captions are cleaned by their readers
            page.encode()
            assert control not in page


@pytest.mark.parametrize('given', [*HTML.values(), *UNSAFE.values()], ids=[*HTML, *UNSAFE])
def test_a_chart_stays_well_formed(given):
    chart = svg(SimpleNamespace(width=10, height=10), given, text(0, 0, given))
    assert ElementTree.fromstring(chart)[0].text is not None
