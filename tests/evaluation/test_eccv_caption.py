import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from coco_benchmark import karpathy, small_benchmark

from sacl_mm.evaluation import RetrievalMetric, check_dataset
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError

eccv_caption = pytest.importorskip('eccv_caption')
NAMES = dict(eccv_map_at_r='mAP@R', eccv_rprecision='R-Precision', eccv_r1='R@1')
SOURCES = dict(cxc='CxC', coco_1k='COCO_1K', coco_5k='COCO_5K')


@pytest.fixture(scope='module')
def small():
    return small_benchmark()


@pytest.fixture
def benchmark(monkeypatch, small):
    monkeypatch.setattr(eccv_caption, 'Metrics', lambda: small)
    return small


def samples(benchmark, extra=(), dims=8):
    """Random features; a caption's is a little like its image's."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for number, entry in enumerate(karpathy(benchmark.coco_gts['i2t'], extra)['images'][1:]):
        feature = torch.randn(dims, generator=generator)
        texts = [sentence['raw'].lower().replace("'", '').rstrip('.') for sentence in entry['sentences']]
        rows.append(
            dict(
                image_id=7000 + number,  # ids of our own
                text_ids=[100 * number + k for k in range(len(texts))],
                text=texts,
                img_path=f'data/val2014/{entry["filename"]}',
                pred_image_feature=feature,
                pred_text_features=feature + 1.5 * torch.randn(len(texts), dims, generator=generator),
            )
        )
    return rows


@pytest.fixture
def build(tmp_path, benchmark):
    def build(extra=(), content=None):
        path = tmp_path / 'dataset_coco.json'
        path.write_text(json.dumps(karpathy(benchmark.coco_gts['i2t'], extra) if content is None else content))
        return METRICS.build(dict(type='sacl_mm.EccvCaption', coco_ids=dict(type='coco_ids', ann_file=str(path))))

    return build


def evaluate(metric, rows):
    metric.process({}, rows)
    return metric.evaluate(len(rows))


def sorted_by_hand(scores, query_ids, candidate_ids, matches):
    """All candidates of each query that has matches; of equal scores the matches come last."""
    return {
        query: [
            candidate_ids[place]
            for place in sorted(
                range(len(candidate_ids)), key=lambda m, row=row: (-row[m], candidate_ids[m] in matches[query])
            )
        ]
        for query, row in zip(query_ids, scores, strict=True)
        if query in matches
    }


def by_the_package(benchmark, scores, image_ids, caption_ids):
    """Its own call, with whole rankings of all candidates."""
    values = {}
    for source, matches in (('eccv', benchmark.eccv_gts), ('cxc', benchmark.cxc_gts), ('coco', benchmark.coco_gts)):
        rankings = (
            sorted_by_hand(scores.tolist(), image_ids, caption_ids, matches['i2t']),
            sorted_by_hand(scores.T.tolist(), caption_ids, image_ids, matches['t2i']),
        )
        targets = dict(
            eccv=['eccv_map_at_r', 'eccv_rprecision', 'eccv_r1'],
            cxc=['cxc_recalls'],
            coco=['coco_1k_recalls', 'coco_5k_recalls'],
        )
        values |= benchmark.compute_all_metrics(*rankings, target_metrics=targets[source], Ks=(1, 5, 10))
    return values


def in_our_names(values):
    metrics = {}
    for key, sides in values.items():
        source, _, k = key.rpartition('_r')
        for side, direction in (('i2t', 'TR'), ('t2i', 'IR')):
            name = f'{direction}/{NAMES[key]}' if key in NAMES else f'{SOURCES[source]}/{direction}/R@{k}'
            metrics[f'eccv/{name}'] = 100 * sides[side]
    return metrics


def compared(benchmark, build, rows):
    image = F.normalize(torch.stack([row['pred_image_feature'] for row in rows]), dim=-1)
    text = F.normalize(torch.cat([row['pred_text_features'] for row in rows]), dim=-1)
    image_ids = list(benchmark.coco_gts['i2t'])
    caption_ids = [caption for own in benchmark.coco_gts['i2t'].values() for caption in own]
    expected = in_our_names(by_the_package(benchmark, (image @ text.t()).numpy(), image_ids, caption_ids))
    metrics = evaluate(build(), rows)
    assert metrics == pytest.approx(expected)
    assert len(metrics) == 2 * (3 + 3 * 3)
    return metrics


def test_random_rankings_give_the_packages_numbers(benchmark, build):
    metrics = compared(benchmark, build, samples(benchmark))
    assert len(set(metrics.values())) > 15
    assert all(0 < value < 100 for value in metrics.values())
    assert metrics['eccv/COCO_1K/TR/R@1'] > metrics['eccv/COCO_5K/TR/R@1']


@pytest.mark.parametrize('sign', [1, -1], ids=['perfect', 'worst'])
def test_perfect_and_worst_rankings(benchmark, build, sign):
    rows = samples(benchmark)
    for row, feature in zip(rows, torch.eye(len(rows)), strict=True):
        row['pred_image_feature'], row['pred_text_features'] = feature, (sign * feature).expand(5, -1)
    metrics = compared(benchmark, build, rows)
    for name, value in metrics.items():
        if sign == 1 and ('COCO' in name or name.endswith('/R@1')):
            assert value == 100, name
        if sign == -1 and 'COCO' in name:
            assert value == 0, name


@pytest.mark.parametrize('dims', [1, 2])
def test_ties_count_against_the_model(benchmark, build, dims):
    """A feature of one dimension is -1 or 1; of a feature of two all are the same."""
    rows = samples(benchmark, dims=dims)
    if dims == 2:
        for row in rows:
            row['pred_image_feature'], row['pred_text_features'] = torch.ones(2), torch.ones(5, 2)
    metrics = compared(benchmark, build, rows)
    if dims == 2:
        assert set(metrics.values()) == {0}


def test_map_at_r_and_r_precision_equal_plain_loops(benchmark, build):
    rows = samples(benchmark)
    image = F.normalize(torch.stack([row['pred_image_feature'] for row in rows]), dim=-1)
    text = F.normalize(torch.cat([row['pred_text_features'] for row in rows]), dim=-1)
    image_ids = list(benchmark.coco_gts['i2t'])
    caption_ids = [caption for own in benchmark.coco_gts['i2t'].values() for caption in own]
    metrics = evaluate(build(), rows)
    for direction, side, scores, queries, candidates in (
        ('TR', 'i2t', image @ text.t(), image_ids, caption_ids),
        ('IR', 't2i', text @ image.t(), caption_ids, image_ids),
    ):
        precisions, averages = [], []
        for query, matches in benchmark.eccv_gts[side].items():
            order = scores[queries.index(query)].argsort(descending=True).tolist()
            found, total = 0, 0.0
            for rank, place in enumerate(order[: len(matches)], start=1):
                if candidates[place] in matches:
                    found += 1
                    total += found / rank
            precisions.append(found / len(matches))
            averages.append(total / len(matches))
        assert metrics[f'eccv/{direction}/R-Precision'] == pytest.approx(100 * np.mean(precisions))
        assert metrics[f'eccv/{direction}/mAP@R'] == pytest.approx(100 * np.mean(averages))


def test_further_captions_of_an_image_are_left_out(benchmark, build):
    extra = list(benchmark.coco_gts['i2t'])[::7]
    plain, more = samples(benchmark), samples(benchmark, extra)
    for row, other in zip(plain, more, strict=True):
        other['pred_image_feature'] = row['pred_image_feature']
        other['pred_text_features'][:5] = row['pred_text_features']
        other['pred_text_features'][5:] = row['pred_image_feature']  # which would come first
    assert evaluate(build(extra), more) == evaluate(build(), plain)


def test_reranked_candidates_count(benchmark, build):
    rows = samples(benchmark)
    ids = torch.tensor([text_id for row in rows for text_id in row['text_ids']])
    for row in rows:
        own = torch.isin(ids, torch.tensor(row['text_ids']))
        both = torch.ones_like(own)
        row['pred_reranking'] = dict(
            text_ids=ids, scores=own.float(), by_image=both, by_text=both, k=len(ids), score='itm'
        )
    metrics = evaluate(build(), rows)
    assert all(metrics[f'eccv/COCO_5K/{direction}/R@{k}'] == 100 for direction, k in (('TR', 1), ('IR', 1)))


def test_recalls_of_all_images_are_those_of_the_retrieval_metric(benchmark, build):
    rows = samples(benchmark)
    metrics, ours = evaluate(build(), rows), evaluate(RetrievalMetric(), rows)
    for direction in ('TR', 'IR'):
        for k in (1, 5, 10):
            assert metrics[f'eccv/COCO_5K/{direction}/R@{k}'] == pytest.approx(ours[f'retrieval/{direction}/R@{k}'])


# ------------------------------------------------------------------------------------------- what cannot be measured
def swap(texts):
    texts[0], texts[1] = texts[1], texts[0]


UNFIT = {
    'an image is missing': (lambda rows: rows.pop(3), "1 images of COCO's Karpathy test split are not in this set"),
    'another image': (
        lambda rows: rows[0].update(img_path='a/dog.jpg'),
        "1 images of this set are not of COCO's Karpathy test split, one is dog.jpg",
    ),
    'an image twice, in two folders': (
        lambda rows: rows[0].update(img_path=rows[1]['img_path'].replace('data/', 'other/')),
        '60 images of this set have 59 names',
    ),
    'a caption is missing': (
        lambda rows: rows[2].update(text_ids=[1, 2, 3, 4], pred_text_features=torch.zeros(4, 8)),
        'has 4 captions in this set and 5',
    ),
    'another order': (lambda rows: swap(rows[5]['text']), 'in the same order'),
    'no path': (lambda rows: rows[0].pop('img_path'), 'needs `img_path` of every sample'),
}


@pytest.mark.parametrize(('change', 'message'), UNFIT.values(), ids=UNFIT)
def test_another_set_is_refused(benchmark, build, change, message):
    rows = samples(benchmark)
    change(rows)
    with pytest.raises(EvaluationError, match=message) as caught:
        evaluate(build(), rows)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('cut', ['image', 'caption'])
def test_a_file_that_lacks_some_of_the_split_is_refused(benchmark, build, cut):
    content = karpathy(benchmark.coco_gts['i2t'])
    (content['images'] if cut == 'image' else content['images'][-1]['sentences']).pop()
    with pytest.raises(
        EvaluationError, match=rf'coco_ids lacks 1 of the 60 images.*id {list(benchmark.coco_gts["i2t"])[-1]}: ann_file'
    ):
        build(content=content)


def test_a_set_that_does_not_fit_is_refused_before_the_test(build):
    with pytest.raises(EvaluationError, match='EccvCaption needs a set of at least 2 samples'):
        check_dataset(build(), [])


def test_the_whole_benchmark_has_the_size_that_is_documented():
    whole = eccv_caption.Metrics()
    assert (len(whole.coco_gts['i2t']), len(whole.coco_ids)) == (5000, 25000)
    assert [len(whole.eccv_gts[side]) for side in ('i2t', 't2i')] == [1261, 1332]
