"""Re-ranking equals scoring each query's candidates one by one, on one process and on two."""

import tempfile
from pathlib import Path

import pytest
import torch
from gloo import run_on_processes
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from tiny import MERGING, TOWERS, model_config, world

from sacl_mm.evaluation import RetrievalMetric
from sacl_mm.registry import LOOPS, MODELS
from sacl_mm.user_error import NonFiniteError

IMAGES, CAPTIONS, K = 13, 2, 4


def retrieval_model(backbone=TOWERS['vision_backbone']):
    config = model_config(type='ImageTextRetrieval', towers=dict(TOWERS, vision_backbone=backbone))
    del config['masked_language_head'], config['mask_token']
    torch.manual_seed(0)
    model = MODELS.build(config).eval()
    with torch.no_grad():  # spread the scores, so that ranks do not hang on rounding
        model.matching_head.classifier.weight.normal_(std=3.0)
        for layer in model.multimodal_backbone.layers:  # and hang on what is seen
            layer.cross_attention.key.weight.normal_()
            layer.cross_attention.value.weight.normal_()
    return model


def metrics_of(rank, score='itm', kind='RerankingTestLoop', k=K, folder=None, backbone=TOWERS['vision_backbone']):
    with tempfile.TemporaryDirectory() as temporary, DefaultScope.overwrite_default_scope('sacl_mm'):
        sampler = dict(type='DefaultSampler', shuffle=False)
        loader = dict(batch_size=3, num_workers=0, sampler=sampler, collate_fn=dict(type='pseudo_collate'))
        loader['dataset'] = world(IMAGES, captions=CAPTIONS, test_mode=True)
        part = dict(dataloader=loader, cfg=dict(type=kind, k=k, score=score))
        name = 'val' if 'Val' in kind else 'test'
        relevance = dict(type='ShapeWorldRelevance', captions_per_image=CAPTIONS)
        runner = Runner(
            model=retrieval_model(backbone),
            work_dir=str(folder or temporary),
            default_scope='sacl_mm',
            experiment_name=Path(temporary).name,  # by which MMEngine finds a visualizer again
            log_level='ERROR',
            **{
                f'{name}_dataloader': part['dataloader'],
                f'{name}_cfg': part['cfg'],
                f'{name}_evaluator': dict(type='RetrievalMetric', relevance=relevance),
            },
        )
        return runner.val() if name == 'val' else runner.test()


def plain_scores(model, score):
    """Every query by itself: its k best candidates by cosine, each fused alone; the others stay below, by cosine."""
    samples = list(world(IMAGES, captions=CAPTIONS, test_mode=True))
    batch = model.data_preprocessor(pseudo_collate(samples), False)
    image, text = model.extract_feat(batch)
    cosine = image.feature @ text.feature.t()

    def itm(i, t):
        length, one = int(batch['text_mask'][t].sum()), image.rows(slice(i, i + 1))
        fused = model.multimodal_backbone(
            text.tokens[t : t + 1, :length],
            batch['text_mask'][t : t + 1, :length],
            model.multimodal_backbone.project(one.tokens, one.sizes),
            torch.tensor([0]),
        )
        logit = model.matching_head(fused)[0, 1].item()
        scale = {'itm': 0.0, 'itm+itc': 1.0, 'itm+itc/temperature': 1 / 0.07}[score]
        return logit + scale * cosine[i, t].item()

    by_image, by_text = cosine.clone() - 1000, cosine.t().clone() - 1000
    for i in range(cosine.shape[0]):
        for t in sorted(range(cosine.shape[1]), key=lambda t: -cosine[i, t])[:K]:
            by_image[i, t] = itm(i, t)
    for t in range(cosine.shape[1]):
        for i in sorted(range(cosine.shape[0]), key=lambda i: -cosine[i, t])[:K]:
            by_text[t, i] = itm(i, t)
    return by_image, by_text


@pytest.mark.parametrize(
    ('score', 'backbone'),
    [(score, TOWERS['vision_backbone']) for score in ('itm', 'itm+itc', 'itm+itc/temperature')] + [('itm', MERGING)],
)
@torch.no_grad()
def test_united_reranking_equals_per_query_reranking(score, backbone):
    model = retrieval_model(backbone)
    by_image, by_text = plain_scores(model, score)
    own = torch.arange(IMAGES).repeat_interleave(CAPTIONS)[None] == torch.arange(IMAGES)[:, None]
    got = metrics_of(0, score, backbone=backbone)
    for name, scores, mine in (('TR', by_image, own), ('IR', by_text, own.t())):
        ranks = [
            1 + sum(scores[q, c] >= scores[q][mine[q]].max() for c in range(scores.shape[1]) if not mine[q, c])
            for q in range(len(scores))
        ]
        for k in (1, 5, 10):
            assert got[f'retrieval/{name}/R@{k}'] == pytest.approx(100 * sum(r <= k for r in ranks) / len(ranks))
    assert got == metrics_of(0, score, 'RerankingValLoop', backbone=backbone)


def test_matching_scores_that_are_not_finite_are_refused(monkeypatch):
    model = retrieval_model()
    with torch.no_grad():
        model.matching_head.classifier.bias.fill_(torch.nan)
    monkeypatch.setitem(globals(), 'retrieval_model', lambda backbone: model)
    with pytest.raises(NonFiniteError, match=r'matching scores with text_id: \d+ of \d+ not finite'):
        metrics_of(0)


def test_two_processes_give_the_metrics_of_one():
    one = metrics_of(0)
    for two in run_on_processes(2, metrics_of):
        assert two == pytest.approx(one)


def test_more_candidates_than_there_are_is_all_of_them():
    assert metrics_of(0, k=IMAGES * CAPTIONS) == metrics_of(0, k=1000)
    assert metrics_of(0, k=1) != metrics_of(0, k=1000)


@pytest.mark.parametrize(
    ('options', 'message'),
    [(dict(score='cosine'), "score must be one of \\['itm', 'itm\\+itc', "), (dict(k=0), 'k must')],
)
def test_bad_options(options, message):
    runner = type('R', (), dict(visualizer=type('V', (), {})()))()
    loader = torch.utils.data.DataLoader([0])
    with pytest.raises(ValueError, match=message):
        LOOPS.build(
            dict(
                type='RerankingTestLoop',
                runner=runner,
                dataloader=loader,
                evaluator=Evaluator([RetrievalMetric()]),
                **options,
            )
        )
