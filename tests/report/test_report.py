"""The report on two tiny models."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from report_examples import NUM_IMAGES, both, config, save_untrained, sections_of

from sacl_mm.datasets.shape_world import ShapeWorldRelevance, captions_of, holds, scene_of
from sacl_mm.datasets.shape_world.claim import satisfied_share
from sacl_mm.functional.lexical_coverage import LexicalCoverage
from sacl_mm.models.losses import SACLContrastiveLoss
from sacl_mm.models.losses.policies import MomentumDistillation, OracleRemoval
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
from sacl_mm.report.retrieval import embed
from sacl_mm.report.weights import BatchWeights, batch_weights, small_batch


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


def test_a_policy_reads_the_ids_of_the_images(run):
    oracle = SACLContrastiveLoss(policy=OracleRemoval(ShapeWorldRelevance()))
    batch = batch_weights(dataclasses.replace(run, loss=oracle), np.arange(12))
    assert batch.false_negatives.size > 3
    assert (batch.false_negatives == 0).all()
    assert (batch.true_negatives == 1).all()


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
    assert not torch.allclose(run.evidence['reference'].image, run.image_NE)
    weights = batch_weights(run, np.arange(6)).weight_BB
    similarity = (
        run.evidence['reference'].image[0] @ run.evidence['reference'].text[run.images.first_captions(np.arange(6))].t()
    )
    expected = np.exp(-similarity[1:].double().numpy() / 0.3)
    np.testing.assert_allclose(weights[0, 1:], expected / expected.mean(), rtol=1e-3)


def test_weights_by_captions(tmp_path):
    """Those of the validation images."""
    cfg = config('sacl')
    cfg.model.contrastive_loss.policy = dict(type='SimilarityRegulation', alpha=1.0, evidence='captions')
    cfg.model.evidence = dict(captions=dict(type='CaptionCoverage'))
    save_untrained(tmp_path / 'run', cfg)
    run = embed(cfg, tmp_path / 'run' / 'epoch_0.pth', 'val')
    weights = batch_weights(run, np.arange(6)).weight_BB
    captions = np.split(np.array(run.images.captions), np.flatnonzero(np.diff(run.images.owner_T)) + 1)
    coverage = LexicalCoverage(captions)([0], run.images.first_captions(np.arange(6)))[0]
    expected = np.exp(-coverage[1:].astype(float) / 0.3)
    np.testing.assert_allclose(weights[0, 1:], expected / expected.mean(), rtol=1e-3)


def test_evenly_spaced():
    assert evenly_spaced(100, 4) == [12, 37, 62, 87]
    assert evenly_spaced(3, 9) == [0, 1, 2]
