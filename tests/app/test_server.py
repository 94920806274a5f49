"""The served page: search, upload, export; and what it refuses."""

import io
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from inferencers import WORLD, saved
from PIL import Image

from sacl_mm.inference import ImageTextInferencer
from sacl_mm.inference.model_folder import find_model
from sacl_mm.report.explore import Explorer
from sacl_mm.report.retrieval import embed

pytest.importorskip('starlette')
uvicorn = pytest.importorskip('uvicorn')
pytest.importorskip('httpx')
pytest.importorskip('python_multipart')

CHROMIUM = '/usr/bin/chromium'


@pytest.fixture(scope='module')
def app(tmp_path_factory):
    from tiny import PIPELINE

    from sacl_mm.app.server import make_app

    loader = dict(
        dataset=dict(WORLD, pipeline=[*PIPELINE[:-1], dict(PIPELINE[-1], meta_keys=['text'])]),
        batch_size=3, sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='pseudo_collate'),
    )  # fmt: skip
    _, checkpoint, _ = saved(tmp_path_factory.mktemp('app'), 'DualEncoder', val_dataloader=loader)
    cfg, checkpoint = find_model(checkpoint)
    return make_app(Explorer('tiny', embed(cfg, checkpoint, 'val'), True), ImageTextInferencer(cfg, checkpoint))


@pytest.fixture
def client(app):
    from starlette.testclient import TestClient

    return TestClient(app, base_url='http://127.0.0.1')


def test_a_text_finds_images(client):
    page = client.get('/').text
    assert 'type="search"' in page
    assert 'id="found"' not in page
    found = client.get('/', params=dict(q='a red <star>')).text
    assert 'value="a red &lt;star&gt;"' in found
    assert len(re.findall('href="/\\?image=', found)) == 6
    assert client.get('/', params=dict(q='\ud800'.encode('utf-8', 'surrogatepass'))).status_code in (200, 400)


def test_an_image_finds_captions(client):
    content = io.BytesIO()
    Image.new('RGB', (40, 30), 'red').save(content, 'PNG')
    assert 'class="texts"' in client.post('/image', files=dict(file=('x.png', content.getvalue()))).text
    assert 'class="texts"' in client.get('/?image=3').text


@pytest.mark.parametrize('image', ['6', '-1', '../../etc/passwd', 'x'])
def test_only_images_of_the_data_are_served(client, image):
    assert client.get('/', params=dict(image=image)).status_code == 404


def test_uploads_are_limited_and_checked(client, monkeypatch):
    assert client.post('/image', files=dict(file=('x.svg', b'<svg/>'))).status_code == 400
    assert client.post('/image', data=dict(file='text')).status_code == 400
    monkeypatch.setattr('sacl_mm.app.server.MOST_BYTES', 100)
    assert client.post('/image', files=dict(file=('x.png', bytes(200)))).status_code == 413


def test_suspects_are_exported(client):
    answer = client.get('/suspects.csv')
    assert answer.headers['content-type'].startswith('text/csv')
    assert answer.text.splitlines()[0] == 'image,caption,caption_of,cosine,own_caption'


def test_nothing_from_elsewhere_and_no_other_name_of_this_machine(client, app):
    from starlette.testclient import TestClient

    answer = client.get('/')
    assert "default-src 'none'" in answer.headers['content-security-policy']
    assert not re.findall(r'(?:src|href)="(?!data:|/|#)', answer.text)
    assert TestClient(app, base_url='http://evil.example').get('/').status_code == 400


@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason='no Chromium')
def test_a_browser_clicks_through(app, tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level='error'))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        for path, expected in (
            ('', 'Suspected false negatives'),
            ('?q=a+red+star', 'id="found"'),
            ('?image=2', 'class="texts"'),
        ):
            command = [
                CHROMIUM,
                '--headless',
                '--no-sandbox',
                '--disable-gpu',
                f'--user-data-dir={tmp_path}',
                '--dump-dom',
            ]
            shown = subprocess.run(
                [*command, f'http://127.0.0.1:{port}/{path}'], capture_output=True, text=True, timeout=120
            )
            assert expected in shown.stdout
    finally:
        server.should_exit = True
        thread.join(10)
