import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement

from sacl_mm.evaluation import RetrievalMetric
from sacl_mm.registry import METRICS


def samples(images=12, texts_per_image=3, dim=6):
    torch.manual_seed(0)
    rows = []
    for number in range(images):
        sample = BaseDataElement()
        sample.image_id = 1000 + number  # ids are names, not positions
        sample.text_ids = [7 * (number * texts_per_image + k) for k in range(texts_per_image)]
        sample.pred_image_feature = torch.randn(dim)
        sample.pred_text_features = sample.pred_image_feature + torch.randn(texts_per_image, dim)
        rows.append(sample)
    return rows


def evaluate(metric, rows):
    for row in rows:
        metric.process({}, [row.to_dict()])
    return metric.evaluate(len(rows))


def test_recalls_equal_plain_loops():
    rows = samples()
    metrics = evaluate(RetrievalMetric(topk=(1, 5)), rows)
    texts = F.normalize(torch.cat([row.pred_text_features for row in rows]), dim=-1)
    images = F.normalize(torch.stack([row.pred_image_feature for row in rows]), dim=-1)
    owner = [i for i, row in enumerate(rows) for _ in row.text_ids]
    for k in (1, 5):
        hits = [
            any(owner[t] == i for t in (texts @ image).argsort(descending=True)[:k]) for i, image in enumerate(images)
        ]
        assert metrics[f'retrieval/TR/R@{k}'] == pytest.approx(100 * np.mean(hits))
        hits = [owner[t] in (images @ texts[t]).argsort(descending=True)[:k].tolist() for t in range(len(texts))]
        assert metrics[f'retrieval/IR/R@{k}'] == pytest.approx(100 * np.mean(hits))
    recalls = [value for name, value in metrics.items() if '/R@' in name and 'mean' not in name]
    assert metrics['retrieval/R@mean'] == pytest.approx(np.mean(recalls))
    assert 'retrieval/mAP' not in metrics


def test_graded_measures_see_matches_beyond_the_annotated_ones():
    rows = samples()
    # Every caption is true of the next image, too; a model that ranks that one first is right in truth, wrong by annotation.
    for row in rows:
        row.pred_image_feature = torch.nn.functional.normalize(row.pred_image_feature, dim=0)
    for number, row in enumerate(rows):
        row.pred_text_features = rows[(number + 1) % len(rows)].pred_image_feature.expand(3, -1)

    def relevance(image_ids, text_ids):
        image, text = image_ids[:, None] - 1000, text_ids[None, :] // 7 // 3
        return (image == text) | (image == (text + 1) % len(rows))

    metrics = evaluate(METRICS.build(dict(type='RetrievalMetric', relevance=relevance)), rows)
    assert metrics['retrieval/IR/P@1'] == 100
    assert metrics['retrieval/IR/R@1'] == 0
    assert metrics['retrieval/IR/false_negative_rank'] == 1
    assert metrics['retrieval/mAP'] == pytest.approx((metrics['retrieval/TR/mAP'] + metrics['retrieval/IR/mAP']) / 2)
