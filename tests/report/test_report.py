"""The whole report from two tiny models that were never trained."""

import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from sacl_mm.datasets.shape_world import holds
from sacl_mm.datasets.shape_world.claim import satisfied_share
from sacl_mm.registry import MODELS
from sacl_mm.report import write_report
from sacl_mm.report.evaluated_run import evaluate_run
from sacl_mm.report.gallery import caption_queries, count_marks, evenly_spaced
from sacl_mm.report.gallery_section import html_section
from sacl_mm.report.marks import PARTLY_FROM, Mark
from sacl_mm.report.weights import batch_weights, batch_with_most_false_negatives

ROOT = Path(__file__).parents[2]
CONFIGS = ('infonce', 'sacl')
NUM_IMAGES = 24


def save_untrained(run_dir, config):
    cfg = Config.fromfile(ROOT / 'configs' / 'shape_world' / f'{config}.py')
    cfg.val_dataloader.dataset.num_images = NUM_IMAGES
    cfg.work_dir = str(run_dir)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        model = MODELS.build(cfg.model)
    folder = run_dir / '20260101_000000' / 'vis_data'
    folder.mkdir(parents=True)
    cfg.dump(run_dir / f'{config}.py')
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=0)), run_dir / 'epoch_0.pth')
    # Where it was written, before the folder came here.
    (run_dir / 'last_checkpoint').write_text('/elsewhere/epoch_0.pth')
    line = dict(loss_itc=4.8, temperature=0.07, mi_negative=0.0, mi_negative_target=0.1, iter=50, step=50)
    (folder / 'scalars.json').write_text(json.dumps(line) + '\n')


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp('demo')
    for name in CONFIGS:
        save_untrained(path / name, name)
    return path


@pytest.fixture(scope='module')
def report(work_dir):
    return write_report(work_dir, dict(sacl=dict(command='python <train>', seconds=12.0)))


@pytest.fixture(scope='module')
def evaluated(work_dir):
    return evaluate_run(work_dir / 'sacl')


class Links(HTMLParser):
    """All attributes that make a browser load something, and the tags that do."""

    def __init__(self):
        super().__init__()
        self.loaded, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [
            value for name, value in attrs if name in ('src', 'href', 'srcset', 'xlink:href', 'data', 'action')
        ]


def test_page_needs_nothing_else(report):
    text = report.path.read_text()
    page = Links()
    page.feed(text)
    assert page.loaded
    assert all(value.startswith('data:image/jpeg;base64,') for value in page.loaded)
    assert not {'script', 'link', 'iframe', 'object'} & set(page.tags)
    assert not re.search(r'url\(|@import', text)
    assert set(re.findall(r'https?://[^"<\s]*', text)) == {'http://www.w3.org/2000/svg'}  # a name, not an address
    assert len(text.encode()) < 3_000_000
    assert 'prefers-color-scheme: dark' in text
    assert not re.search(r'\b(nan|inf|None)\b', re.sub('base64,[^"]*', '', text))


def test_page_has_every_section_and_escapes(report):
    text = report.path.read_text()
    assert re.findall('<section id="([a-z-]+)"', text) == [
        'result',
        'curves',
        'histogram',
        'heat-map',
        'gallery',
        'making',
    ]
    assert 'python &lt;train&gt;' in text
    assert text.count('class="query"') == 9


def test_results(report, work_dir):
    results = json.loads((work_dir / 'results.json').read_text())
    assert results['runs']['sacl']['seconds'] == 12
    assert results['runs']['infonce']['command'] is None
    assert results['runs']['sacl']['metrics'] == report.metrics['sacl']
    assert results['runs']['sacl']['policy']['type'] == 'SimilarityRegulation'
    assert results['runs']['infonce']['policy']['type'] == 'InfoNCE'
    assert (results['images'], results['texts']) == (NUM_IMAGES, 5 * NUM_IMAGES)
    assert results['versions']['torch'] == torch.__version__
    # The same random weights: every number is equal.
    assert report.metrics['sacl'] == report.metrics['infonce']


def test_marks_agree_with_the_claims(evaluated):
    run, validation = evaluated
    texts = range(0, len(validation.claims), 7)
    for text in texts:
        for image, scene in enumerate(validation.scenes):
            mark, claim = validation.mark(image, text), validation.claims[text]
            assert validation.relevant_NT[image, text] == holds(claim, scene)
            assert (mark in (Mark.ANNOTATED, Mark.UNANNOTATED)) == holds(claim, scene)
            assert (mark is Mark.ANNOTATED) == (text // 5 == image)
            if not holds(claim, scene):
                assert (mark is Mark.PARTLY) == (satisfied_share(claim, scene) >= PARTLY_FROM)
    [query] = caption_queries({'sacl': run}, validation, [11])
    scores = run.image_feature_NE @ run.text_feature_TE[11]
    assert [image for image, _ in query.found['sacl']] == scores.argsort(descending=True)[:5].tolist()
    assert query.true == sum(holds(validation.claims[11], scene) for scene in validation.scenes)
    assert sum(count_marks([query], 'sacl').values()) == pytest.approx(100)


def test_weights(evaluated):
    run, validation = evaluated
    images = batch_with_most_false_negatives(validation, 6)
    batch = batch_weights(run, validation, images)
    np.testing.assert_allclose(np.nanmean(batch.weight_BB, axis=1), 1, rtol=1e-5)
    assert np.isnan(np.diag(batch.weight_BB)).all()
    assert batch.false_negatives.size + batch.true_negatives.size == 6 * 5
    counts = [batch_weights(run, validation, np.arange(k, k + 6)).false_negatives.size for k in range(0, NUM_IMAGES, 6)]
    assert batch.false_negatives.size == max(counts)
    similarity = run.image_feature_NE[images[0]] @ run.text_feature_TE[validation.first_captions(images)].t()
    negatives = similarity[1:].double().numpy()
    expected = np.exp(-negatives / 0.3)
    np.testing.assert_allclose(batch.weight_BB[0, 1:], expected / expected.mean(), rtol=1e-3)


def test_captions_are_escaped(evaluated):
    run, validation = evaluated
    queries = caption_queries(dict(sacl=run, infonce=run), validation, [3])
    kept = validation.captions[3]
    validation.captions[3] = '<b>"&'
    text = html_section(queries, [], queries, validation)
    validation.captions[3] = kept
    assert '<b>"&' not in text
    assert '&lt;b&gt;&quot;&amp;' in text


def test_evenly_spaced():
    assert evenly_spaced(100, 4) == [12, 37, 62, 87]
    assert evenly_spaced(3, 9) == [0, 1, 2]


def test_missing_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match='infonce has no checkpoint'):
        write_report(tmp_path, {})


def load_demo():
    spec = importlib.util.spec_from_file_location('demo', ROOT / 'tools' / 'demo.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_demo_does_not_continue_another_training(work_dir, monkeypatch):
    monkeypatch.chdir(ROOT)
    demo = load_demo()
    with pytest.raises(SystemExit, match=r'infonce holds a training with other settings \(val_dataloader\)'):
        demo.plan(work_dir, epochs=None, seed=None)
    with pytest.raises(SystemExit, match='randomness'):
        demo.plan(work_dir, epochs=None, seed=5)
    fresh = demo.plan(work_dir / 'new', epochs=3, seed=5)
    assert [training.cfg.train_cfg.max_epochs for training in fresh] == [3, 3]
    assert fresh[1].arguments[:4] == [
        'tools/train.py',
        'configs/shape_world/sacl.py',
        '--work-dir',
        f'{work_dir}/new/sacl',
    ]
    assert fresh[0].arguments[-2:] == ['randomness.seed=5', 'train_cfg.max_epochs=3']
    reference = f'{work_dir}/new/infonce/epoch_3.pth'
    assert fresh[1].arguments[-1] == f'model.reference_checkpoint={reference}'
    assert fresh[1].cfg.model.reference_checkpoint == reference
    assert fresh[0].epochs_done == 0


def test_demo_reports_alone(work_dir, monkeypatch, capsys):
    demo = load_demo()
    monkeypatch.setattr('sys.argv', ['demo.py', '--report-only', '--work-dir', str(work_dir)])
    demo.main()
    out = capsys.readouterr().out
    assert 'SACL against InfoNCE' in out
    assert f'Report: {work_dir}/report.html' in out
    monkeypatch.setattr('sys.argv', ['demo.py', '--report-only', '--seed', '1'])
    with pytest.raises(SystemExit):
        demo.main()
