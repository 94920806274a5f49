import pytest
import torch
from mmengine.structures import BaseDataElement

from sacl_mm.evaluation import CaptionConsensus
from sacl_mm.functional.cider import cider_matrix
from sacl_mm.registry import METRICS
from sacl_mm.user_error import EvaluationError

CAPTIONS = [
    ['a dog runs on the beach', 'a brown dog is running'],
    ['a black dog runs', 'the dog runs on the grass'],
    ['a man climbs a rock wall', 'a man climbs'],
    ['a woman climbs a rock wall', 'climbing a wall'],
]


def samples(image_features, text_features):
    rows = []
    for number, texts in enumerate(CAPTIONS):
        sample = BaseDataElement(metainfo=dict(text=texts))
        sample.pred_image_feature, sample.pred_text_features = (
            image_features[number],
            text_features[2 * number : 2 * number + 2],
        )
        rows.append(sample)
    return rows


def evaluate(rows, **options):
    metric = METRICS.build(dict(type='CaptionConsensus', **options))
    for row in rows:
        metric.process({}, [row.to_dict()])
    return metric.evaluate(len(rows))


def test_of_what_is_not_annotated_the_worthiest_come_first():
    # Features by subject: the dogs' images and captions are one, the climbers' another.
    subject = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    good = evaluate(samples(subject, subject.repeat_interleave(2, dim=0)), topk=(2,))
    assert good['consensus/TR/NCS@2'] == pytest.approx(100)
    bad = evaluate(samples(subject, 1 - subject.repeat_interleave(2, dim=0)), topk=(2,))
    assert bad['consensus/TR/NCS@2'] < good['consensus/TR/chance'] < 100
    assert bad['consensus/TR/chance'] == good['consensus/TR/chance']


def test_equals_plain_loops():
    torch.manual_seed(0)
    images, texts = torch.randn(4, 3), torch.randn(8, 3)
    metrics = evaluate(samples(images, texts), topk=(1, 3))
    worth = cider_matrix(CAPTIONS)
    cosines = torch.cosine_similarity(images[:, None], texts[None], dim=2)
    for k in (1, 3):
        shares = []
        for i in range(4):
            others = [t for t in range(8) if t // 2 != i]
            found = sorted(others, key=lambda t: -cosines[i, t])[:k]
            best = sorted(others, key=lambda t: -worth[i, t])[:k]
            shares.append(sum(worth[i, t] for t in found) / sum(worth[i, t] for t in best))
        assert metrics[f'consensus/TR/NCS@{k}'] == pytest.approx(100 * sum(shares) / 4)
        shares = []
        for t in range(8):
            others = [i for i in range(4) if i != t // 2]
            found = sorted(others, key=lambda i: -cosines[i, t])[:k]
            best = sorted(others, key=lambda i: -worth[i, t])[:k]
            shares.append(sum(worth[i, t] for i in found) / sum(worth[i, t] for i in best))
        assert metrics[f'consensus/IR/NCS@{k}'] == pytest.approx(100 * sum(shares) / 8)
    assert metrics['consensus/IR/NCS@3'] == pytest.approx(100)  # no other image is left
    four = [metrics[f'consensus/{direction}/NCS@{k}'] for direction in ('TR', 'IR') for k in (1, 3)]
    assert metrics['consensus/NCS@mean'] == pytest.approx(sum(four) / 4)


def test_equal_scores_do_not_help():
    torch.manual_seed(0)
    equal = evaluate(samples(torch.ones(4, 2), torch.ones(8, 2)), topk=(1,))
    worth = cider_matrix(CAPTIONS)
    least = [min(worth[i, t] for t in range(8) if t // 2 != i) for i in range(4)]
    best = [max(worth[i, t] for t in range(8) if t // 2 != i) for i in range(4)]
    assert equal['consensus/TR/NCS@1'] == pytest.approx(100 * sum(a / b for a, b in zip(least, best, strict=True)) / 4)


def test_what_it_needs_is_named():
    rows = samples(torch.ones(4, 2), torch.ones(8, 2))
    with pytest.raises(ValueError, match="needs each image's captions as `text`"):
        CaptionConsensus().process({}, [dict(pred_image_feature=torch.ones(2), pred_text_features=torch.ones(2, 2))])
    with pytest.raises(ValueError, match='at least 2 samples, this one has 1'):
        evaluate(rows[:1])


def test_worth_by_a_sentence_encoder(monkeypatch):
    torch.manual_seed(0)
    images, texts, embeddings = torch.randn(4, 3), torch.randn(8, 3), torch.randn(8, 5)
    rows = samples(images, texts)
    metric = METRICS.build(dict(type='SentenceConsensus', topk=1))
    with pytest.raises(EvaluationError, match='needs `text_inputs`'):
        metric.process({}, [rows[0].to_dict()])
    metric = METRICS.build(dict(type='SentenceConsensus', topk=1))
    for number, row in enumerate(rows):
        row.text_inputs = embeddings[2 * number : 2 * number + 2]
        metric.process({}, [row.to_dict()])
    found = metric.evaluate(4)
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    cosines = torch.cosine_similarity(images[:, None], texts[None], dim=2)
    shares = []
    for i in range(4):
        others = [t for t in range(8) if t // 2 != i]
        worth = {t: max(0.0, float((unit[2 * i] + unit[2 * i + 1]) @ unit[t] / 2)) for t in others}
        shares.append(worth[max(others, key=lambda t: cosines[i, t])] / max(worth.values()))
    assert found['sentences/TR/NCS@1'] == pytest.approx(100 * sum(shares) / 4, rel=1e-5)
    # The same from an encoder of the metric's own.
    for source in (dict(type='SentenceSimilarity', width=5), dict(type='CaptionCoverage')):
        with pytest.raises(ValueError, match='source must be a SentenceSimilarity with text_encoder and tokenizer'):
            METRICS.build(dict(type='SentenceConsensus', source=source))
    source = dict(type='SentenceSimilarity', width=5, text_encoder=dict(type='x'), tokenizer=dict(type='y'))
    metric = METRICS.build(dict(type='SentenceConsensus', topk=1, source=source))
    by_text = dict(zip([text for row in rows for text in row.text], unit, strict=True))
    monkeypatch.setattr(type(metric.source), 'embed', lambda self, asked: torch.stack([by_text[one] for one in asked]))
    for row in rows:
        del row.text_inputs
        metric.process({}, [row.to_dict()])
    assert metric.evaluate(4) == found
