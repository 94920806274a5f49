"""`tools/describe_data.py PATH`: one's own images and captions, on the terminal and as a page."""

import re

import pytest
from archive_examples import write_tar
from command_line import tool
from own_files import write_images


@pytest.fixture
def captions(tmp_path):
    write_images(tmp_path / 'mine', 8)
    texts = [f'bright image {number}' for number in range(6)] + ['a <b>dog</b> [red]runs[/red]', 'a <b>dog</b>']
    rows = [f'{number}.jpg,{text}' for number, text in enumerate(texts)]
    (tmp_path / 'mine/captions.csv').write_text('image,caption\n' + '\n'.join(rows) + '\n8.jpg,gone\n')
    return tmp_path / 'mine/captions.csv'


def test_the_terminal_shows_the_tables(captions):
    done = tool('describe_data.py', captions, '--batch-size', 8, env=dict(COLUMNS='200'))
    assert re.search(r'│ images +│ 8 ', done.stdout)
    assert re.search(r'│ skipped: images that cannot be read +│ 1 .*8\.jpg', done.stdout)
    assert re.search(r'│ longer side of an image, pixels +│ 48 +│ 48 +│ 48 ', done.stdout)
    assert 'of the 7 negatives of an image in a batch of 8' in done.stdout
    assert 'in a batch of 2 ' in tool('describe_data.py', captions, env=dict(COLUMNS='200')).stdout  # as in a training


def test_the_page_needs_nothing_else_and_escapes_captions(captions, tmp_path):
    out = tmp_path / 'data.html'
    done = tool('describe_data.py', captions, '--images', captions.parent, '--html', out)
    assert 'page: ' in done.stdout
    page = out.read_text()
    assert 'a &lt;b&gt;dog&lt;/b&gt; [red]runs[/red]' in page
    assert '<b>' not in page
    assert page.count('src="data:image/jpeg;base64,') == 2  # the image that may fit, and the caption's own
    assert len(re.findall(r'(?:src|href)="(?!data:)', page)) == 0
    assert '“a &lt;b&gt;dog&lt;/b&gt;”' in page
    assert '<td>skipped: images that cannot be read</td>' in page


def test_images_inside_an_archive(captions, tmp_path):
    images = {f'{number}.jpg': (captions.parent / f'{number}.jpg').read_bytes() for number in range(4)}
    path = write_tar(tmp_path / 'shard.tar', images | {f'{number}.txt': b'a dog runs' for number in range(4)})
    tool('describe_data.py', path, '--html', tmp_path / 'data.html')
    assert (tmp_path / 'data.html').read_text().count('src="data:image/jpeg;base64,') == 2


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nothing.csv'], 'nothing.csv does not exist'),
        (['nothing.py'], "'nothing.py' does not exist"),
        (['configs/shape_world/infonce.py', '--html', 'x.html'], '--html belong to a PATH'),
        (['{captions}', '--html', 'x.txt'], "--html 'x.txt' must end in .html"),
        (['{captions}', '--html', '{captions}/x.html'], 'is a file, not a folder'),
        (['{captions}', '--batch-size', '1'], '--batch-size must be at least 2, got 1'),
        (['{captions}', '--images', 'docs'], 'is that the folder that the names start from'),
        (['README.md'], 'cannot tell the format'),
    ],
)
def test_mistakes_are_one_line(captions, arguments, message):
    done = tool('describe_data.py', *(word.format(captions=captions) for word in arguments), check=False)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert 'Traceback' not in done.stderr
