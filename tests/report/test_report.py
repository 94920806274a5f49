"""The whole report: two tiny models that were never trained, other tasks, and what is missing."""

import dataclasses
import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from sacl_mm.datasets.shape_world import captions_of, holds, scene_of
from sacl_mm.datasets.shape_world.claim import satisfied_share
from sacl_mm.models.losses import SACLContrastiveLoss
from sacl_mm.models.losses.policies import MomentumDistillation
from sacl_mm.registry import MODELS
from sacl_mm.report import write_report
from sacl_mm.report.gallery import (
    PARTLY_FROM,
    Mark,
    caption_queries,
    count_marks,
    evenly_spaced,
    image_queries,
    mark_of,
)
from sacl_mm.report.provenance import checkpoint_of, config_of
from sacl_mm.report.retrieval import embed
from sacl_mm.report.weights import BatchWeights, batch_weights, small_batch
from sacl_mm.user_error import UserError

ROOT = Path(__file__).parents[2]
CONFIGS = ('infonce', 'sacl')
NUM_IMAGES = 24


def config(name):
    cfg = Config.fromfile(ROOT / 'configs' / 'shape_world' / f'{name}.py')
    cfg.val_dataloader.dataset.num_images = NUM_IMAGES
    return cfg


def save_untrained(run_dir, cfg):
    """A work directory as a training leaves it."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        model = MODELS.build(cfg.model)
    folder = run_dir / '20260101_000000' / 'vis_data'
    folder.mkdir(parents=True)
    cfg.dump(run_dir / 'config.py')
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=0)), run_dir / 'epoch_0.pth')
    # Where it was written, before the folder came here.
    (run_dir / 'last_checkpoint').write_text('/elsewhere/epoch_0.pth')
    lines = [
        dict(loss=4.8, loss_itc=4.8, temperature=0.07, mi_negative=0.0, mi_negative_target=0.1, iter=50, step=50),
        {'retrieval/mAP': 30.0, 'retrieval/TR/R@1': 20.0, 'retrieval/TR/false_negative_rank': 9.0, 'step': 1},
    ]
    (folder / 'scalars.json').write_text(''.join(json.dumps(line) + '\n' for line in lines))


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp('demo')
    for name in CONFIGS:
        save_untrained(path / name, config(name))
    return path


def both(work_dir):
    return dict(InfoNCE=work_dir / 'infonce', SACL=work_dir / 'sacl')


@pytest.fixture(scope='module')
def report(work_dir):
    return write_report(
        both(work_dir), work_dir / 'report.html', 'SACL & more', 'lead', dict(SACL=dict(command='python <train>'))
    )


@pytest.fixture(scope='module')
def run(work_dir):
    cfg = config_of(work_dir / 'sacl')
    return embed(cfg, *checkpoint_of(work_dir / 'sacl', cfg))


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


def sections_of(text):
    return re.findall('<section (?:id|class)="([a-z-]+)"', text)


def test_page_needs_nothing_else(report):
    text = report.path.read_text()
    page = Links()
    page.feed(text)
    assert page.loaded
    assert all(value.startswith(('data:image/jpeg;base64,', '#')) for value in page.loaded)
    assert not {'script', 'link', 'iframe', 'object'} & set(page.tags)
    assert not re.search(r'url\([^#]|@import', text)
    names = {'http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xlink'}  # which are no addresses
    assert set(re.findall(r'https?://[^"<\s]*', text)) == names
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert len(text.encode()) < 3_000_000
    assert 'prefers-color-scheme: dark' in text
    assert not re.search(r'\b(nan|inf|None|Undefined)\b', re.sub('base64,[^"]*', '', text))


def test_page_has_every_section_and_escapes(report):
    text = report.path.read_text()
    assert sections_of(text) == ['scores', 'curves', 'weights', 'gallery', 'provenance']
    assert '<title>SACL &amp; more</title>' in text
    assert 'python &lt;train&gt;' in text
    assert text.count('class="query') == 13
    assert text.count('class="positive"') == 10
    for title in ('Contrastive loss', 'Graded mAP', 'Temperature', 'MI-N'):
        assert f'<h3>{title}</h3>' in text
    assert report.lacking == dict(scores=[], retrieval=[], weights=['InfoNCE: every negative has the weight 1'])
    assert 'Not shown: InfoNCE: every negative has the weight 1.' in text


def test_two_renderings_are_equal(report, work_dir, tmp_path):
    arguments = 'SACL & more', 'lead', dict(SACL=dict(command='python <train>'))
    again = write_report(both(work_dir), tmp_path / 'new' / 'report.html', *arguments)
    assert again.path.read_bytes() == report.path.read_bytes()
    assert again.path.with_suffix('.json').read_bytes() == report.path.with_suffix('.json').read_bytes()


def test_numbers(report, work_dir):
    numbers = json.loads((work_dir / 'report.json').read_text())
    assert numbers['scores']['SACL'] == {
        'retrieval/mAP': 30.0,
        'retrieval/TR/R@1': 20.0,
        'retrieval/TR/false_negative_rank': 9.0,
    }
    assert numbers['runs']['SACL']['policy']['type'] == 'SimilarityRegulation'
    assert numbers['runs']['InfoNCE'] == dict(
        configuration='config.py',
        model='DualEncoder',
        policy=dict(type='InfoNCE'),
        seed=0,
        started='20260101_000000',
        checkpoint='epoch_0.pth',
    )
    assert f'torch {torch.__version__}' in numbers['versions']


def test_marks_agree_with_the_claims(run):
    images = run.images
    world = [captions_of(0, int(i), 5) for i in images.image_ids_N]
    claims = [claim for captions in world for claim, _ in captions]
    scenes = [scene_of(0, int(i)) for i in images.image_ids_N]
    assert images.captions == [text for captions in world for _, text in captions]
    for text in range(0, len(claims), 7):
        for image, scene in enumerate(scenes):
            mark, claim = mark_of(images, image, text), claims[text]
            assert images.relevant_NT[image, text] == holds(claim, scene)
            assert (mark in (Mark.ANNOTATED, Mark.UNANNOTATED)) == holds(claim, scene)
            assert (mark is Mark.ANNOTATED) == (text // 5 == image)
            if not holds(claim, scene):
                assert (mark is Mark.PARTLY) == (satisfied_share(claim, scene) >= PARTLY_FROM)
    [query] = caption_queries({'sacl': run}, [11])
    scores = run.image_NE @ run.text_TE[11]
    assert [image for image, _ in query.found['sacl']] == scores.argsort(descending=True)[:5].tolist()
    assert query.true == sum(holds(claims[11], scene) for scene in scenes)
    assert sum(count_marks([query], 'sacl').values()) == pytest.approx(100)
    [query] = image_queries({'sacl': run}, [3])
    assert [text for text, _ in query.found['sacl']] == (run.text_TE @ run.image_NE[3]).topk(5).indices.tolist()
    assert query.true == sum(holds(claim, scenes[3]) for claim in claims)


def test_weights(run):
    images = small_batch(run.images, 6)
    batch = batch_weights(run, images)
    np.testing.assert_allclose(np.nanmean(batch.weight_BB, axis=1), 1, rtol=1e-5)
    assert np.isnan(np.diag(batch.weight_BB)).all()
    assert batch.false_negatives.size + batch.true_negatives.size == 6 * 5
    counts = [batch_weights(run, np.arange(k, k + 6)).false_negatives.size for k in range(0, NUM_IMAGES, 6)]
    assert batch.false_negatives.size == max(counts)
    similarity = run.image_NE[images[0]] @ run.text_TE[run.images.first_captions(images)].t()
    negatives = similarity[1:].double().numpy()
    expected = np.exp(-negatives / 0.3)
    np.testing.assert_allclose(batch.weight_BB[0, 1:], expected / expected.mean(), rtol=1e-3)
    assert f'Known false negatives weigh {batch.false_negatives.mean():.2f} on average' in batch.summary


def test_a_teacher_changes_no_weight(run):
    distilling = SACLContrastiveLoss(policy=MomentumDistillation(run.loss.policy))
    taught = batch_weights(dataclasses.replace(run, loss=distilling), np.arange(6))
    np.testing.assert_allclose(taught.weight_BB, batch_weights(run, np.arange(6)).weight_BB)


@pytest.mark.parametrize(('false', 'says'), [(0.5, 'less than'), (3.0, 'more than'), (1.001, 'the same as')])
def test_summary_of_weights(false, says):
    weight_BB = np.array([[np.nan, 1.0, false], [1.0, np.nan, 1.0], [1.0, 1.0, np.nan]])
    false_negative_BB = np.zeros((3, 3), bool)
    false_negative_BB[0, 2] = True
    batch = BatchWeights(np.arange(3), np.arange(3), weight_BB, false_negative_BB)
    assert f'weigh {false:.2f} on average, {says} true negatives, which weigh 1.00' in batch.summary


def test_weights_by_a_reference_model(tmp_path):
    cfg = config('sacl')
    cfg.model.contrastive_loss.policy.alpha = 1.0
    cfg.model.reference_checkpoint = str(tmp_path / 'reference.pth')
    save_untrained(tmp_path / 'run', cfg)
    report = write_report({'run': tmp_path / 'run'}, tmp_path / 'report.html')
    [reason] = report.lacking['weights']
    assert "needs the evidence 'reference'" in reason
    torch.manual_seed(1)
    with DefaultScope.overwrite_default_scope('sacl_mm'):
        reference = MODELS.build(config('infonce').model)
    torch.save(dict(state_dict=reference.state_dict()), cfg.model.reference_checkpoint)
    run = embed(cfg, tmp_path / 'run' / 'epoch_0.pth', 'val')
    assert not torch.allclose(run.reference.image, run.image_NE)
    weights = batch_weights(run, np.arange(6)).weight_BB
    similarity = run.reference.image[0] @ run.reference.text[run.images.first_captions(np.arange(6))].t()
    expected = np.exp(-similarity[1:].double().numpy() / 0.3)
    np.testing.assert_allclose(weights[0, 1:], expected / expected.mean(), rtol=1e-3)


def test_evenly_spaced():
    assert evenly_spaced(100, 4) == [12, 37, 62, 87]
    assert evenly_spaced(3, 9) == [0, 1, 2]


# ------------------------------------------------------------------------------------------------ any run
def write_scores(run_dir, scores):
    folder = run_dir / '20260101_000000'
    folder.mkdir(parents=True)
    (folder / '20260101_000000.json').write_text(json.dumps(scores))


def test_one_run_on_image_files_whose_truth_is_not_known(tmp_path):
    """The images are there, but one is gone since the features were cached."""
    names = [str(tmp_path / f'{i}.png') for i in range(3)]
    for name in names[:2]:
        cv2.imwrite(name, np.full((40, 80, 3), 90, np.uint8))
    torch.manual_seed(0)
    features = dict(
        image_features=torch.randn(3, 6),
        text_features=torch.randn(6, 4),
        image_ids=torch.arange(3),
        text_ids=torch.arange(6),
        texts_per_image=torch.full((3,), 2),
        img_paths=names,
        texts=['a <b>', 'b', 'c', 'd', 'e', 'f'],
    )
    torch.save(features, tmp_path / 'dev.pt')
    cfg = Config.fromfile(ROOT / 'configs' / 'flickr8k' / 'frozen.py')
    cfg.val_dataloader.dataset.ann_file = str(tmp_path / 'dev.pt')
    cfg.model.towers.update(image_dims=6, text_dims=4)
    save_untrained(tmp_path / 'run', cfg)
    report = write_report({'one': tmp_path / 'run'}, tmp_path / 'report.html')
    text = report.path.read_text()
    assert report.lacking == dict(scores=[], retrieval=[], weights=[])
    assert sections_of(text) == ['scores', 'curves', 'weights', 'gallery', 'provenance']
    assert 'difference' not in text
    assert 'a &lt;b&gt;' in text
    assert 'Which of their negatives are false is not known' in text
    assert '<span class="no-image">Image 2.png</span>' in text
    assert 'alt="Image 0.png"' in text
    assert 'nobody knows whether it is true' in text
    assert 'also true' not in text


def test_a_test_of_another_task_has_its_scores(tmp_path):
    write_scores(tmp_path / 'test', {'vqa/accuracy': 70.0})
    report = write_report({'test': tmp_path / 'test'}, tmp_path / 'report.html')
    text = report.path.read_text()
    assert 'accuracy, %' in text
    assert 'nothing was trained here' in text
    assert report.lacking['retrieval'] == [f'test: {tmp_path}/test should have one configuration (*.py), it has 0']
    assert f'Not shown: {report.lacking["retrieval"][0]}.' in text


def test_a_test_shows_the_checkpoint_that_it_measured(work_dir, tmp_path):
    cfg = config('sacl')
    cfg.load_from = str(work_dir / 'sacl' / 'epoch_0.pth')
    cfg.test_dataloader.dataset.update(num_images=12, start=7)
    write_scores(tmp_path / 'test', {'retrieval/mAP': 30.0})
    cfg.dump(tmp_path / 'test' / 'config.py')
    report = write_report({'test': tmp_path / 'test'}, tmp_path / 'report.html')
    assert not any(report.lacking.values())
    assert 'among 12 images' in report.path.read_text()


def without_checkpoint(folder):
    (folder / 'epoch_0.pth').unlink()
    return 'epoch_0.pth.* does not exist'


def with_damaged_checkpoint(folder):
    (folder / 'epoch_0.pth').write_bytes(b'nothing')
    return 'epoch_0.pth'


def with_lost_images(folder):
    file = folder / 'config.py'
    file.write_text(
        file.read_text() + "\nval_dataloader['dataset'] = dict(type='CachedFeatures', ann_file='lost.pt')\n"
    )
    return 'lost.pt'


def with_two_configurations(folder):
    (folder / 'other.py').write_text('')
    return 'one configuration'


@pytest.mark.parametrize(
    'spoil', [without_checkpoint, with_damaged_checkpoint, with_lost_images, with_two_configurations]
)
def test_what_cannot_be_shown_is_named(tmp_path, spoil):
    save_untrained(tmp_path / 'run', config('sacl'))
    expected = spoil(tmp_path / 'run')
    report = write_report({'run': tmp_path / 'run'}, tmp_path / 'report.html')
    [reason] = report.lacking['retrieval']
    assert re.search(expected, reason)
    text = report.path.read_text()
    assert sections_of(text) == ['scores', 'curves', 'weights', 'gallery', 'provenance']
    assert 'no model could be asked' in text
    assert 'base64' not in text


def test_runs_on_different_data_share_no_gallery(work_dir, tmp_path):
    cfg = config('infonce')
    cfg.val_dataloader.dataset.start = 5
    save_untrained(tmp_path / 'other', cfg)
    report = write_report(dict(SACL=work_dir / 'sacl', other=tmp_path / 'other'), tmp_path / 'report.html')
    assert report.lacking['retrieval'] == ['other: measured on other data than SACL']
    assert report.lacking['scores'] == ['other is measured on other data than SACL: their scores do not compare']
    assert report.headline == ''


def test_nothing_to_report(tmp_path):
    with pytest.raises(UserError, match='does not exist'):
        write_report(dict(a=tmp_path / 'none'), tmp_path / 'report.html')
    with pytest.raises(UserError, match='no training or test has logged anything there'):
        write_report(dict(a=tmp_path), tmp_path / 'report.html')
    assert not (tmp_path / 'report.html').exists()


# ------------------------------------------------------------------------------------------------ tools
def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_report_tool(tmp_path, monkeypatch, capsys):
    from sacl_mm.engine.launch import run_tool

    report = tool('report')
    folders = [tmp_path / 'a' / 'run', tmp_path / 'b' / 'run', tmp_path / 'c']
    for number, folder in enumerate(folders):
        write_scores(folder, {'vqa/accuracy': 70.0 + number})
    out = tmp_path / 'page.html'
    monkeypatch.setattr('sys.argv', ['report.py', *map(str, folders), '--out', str(out)])
    report.main()
    printed = capsys.readouterr().out
    assert 'not shown in retrieval: c: ' in printed
    assert f'Report: {out}' in printed
    assert list(json.loads((tmp_path / 'page.json').read_text())['scores']) == [str(folders[0]), str(folders[1]), 'c']
    for arguments, message in (
        ([str(tmp_path / 'none')], f"error: work dir '{tmp_path}/none' does not exist"),
        ([str(folders[0]), '--out', str(tmp_path / 'page')], f"error: --out '{tmp_path}/page' must end in .html"),
    ):
        monkeypatch.setattr('sys.argv', ['report.py', *arguments])
        with pytest.raises(SystemExit) as end:
            run_tool(report.main)
        assert end.value.code == message


def test_demo_does_not_continue_another_training(work_dir, monkeypatch):
    monkeypatch.chdir(ROOT)
    demo = tool('demo')
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
    demo = tool('demo')
    (work_dir / 'trainings.json').write_text(json.dumps(dict(sacl=dict(command='python train.py', seconds=12.0))))
    monkeypatch.setattr('sys.argv', ['demo.py', '--report-only', '--work-dir', str(work_dir)])
    demo.main()
    out = capsys.readouterr().out
    assert 'SACL is ahead of InfoNCE on none of 3 measures, level on 3 and behind on none' in ' '.join(out.split())
    assert f'Report: {work_dir}/report.html' in out
    assert json.loads((work_dir / 'report.json').read_text())['runs']['SACL']['training time'] == '12 s'
    monkeypatch.setattr('sys.argv', ['demo.py', '--report-only', '--seed', '1'])
    with pytest.raises(SystemExit):
        demo.main()
