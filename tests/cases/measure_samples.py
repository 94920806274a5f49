"""What the tests of measures are done on."""

import math

import pytest
import torch

from sacl_mm.evaluation import CaptionConsensus, Flickr8kHumanJudgement, RetrievalMetric
from sacl_mm.user_error import UserError

NAN, INF = math.nan, math.inf
NOT_FINITE = pytest.mark.parametrize('value', [NAN, INF, -INF], ids=['NaN', 'infinity', 'minus infinity'])
QUESTIONS = dict(type='WordPieceTokenizer', vocab=dict(type='shape_world_vocabulary', questions=True))


def retrieval_samples(images=4, texts=2):
    """Each image's texts have its feature, so that any right measure is perfect."""
    features = torch.eye(images, 6)
    return [
        dict(
            image_id=100 + i,
            text_ids=[10 * i + k for k in range(texts)],
            text=[f'a dog number {i}', f'dog {i} on the grass'][:texts],
            img_path=f'folder/{i}.jpg',
            pred_image_feature=features[i].clone(),
            pred_text_features=features[i].repeat(texts, 1),
        )
        for i in range(images)
    ]


def judgements(tmp_path):
    path = tmp_path / 'ExpertAnnotations.txt'
    path.write_text('0.jpg\t1.jpg#0\t1\t1\t2\n1.jpg\t2.jpg#1\t4\t4\t3\n2.jpg\t3.jpg#0\t2\t1\t1\n')
    return Flickr8kHumanJudgement(expert_file=str(path))


METRICS_OF_FEATURES = {
    'RetrievalMetric': lambda path: RetrievalMetric(),
    'CaptionConsensus': lambda path: CaptionConsensus(),
    'Flickr8kHumanJudgement': judgements,
}
OF_FEATURES = pytest.mark.parametrize('metric', METRICS_OF_FEATURES.values(), ids=METRICS_OF_FEATURES)


def evaluate(metric, samples):
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def one_line(call, message, kind=UserError):
    with pytest.raises(kind, match=message) as caught:
        call()
    assert '\n' not in str(caught.value)
    return str(caught.value)
