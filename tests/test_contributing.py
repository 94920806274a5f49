"""The code in CONTRIBUTING.md runs, and does what the text says."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sacl_mm.models.losses import SACLContrastiveLoss

PAGE = Path(__file__).parents[1] / 'CONTRIBUTING.md'


@pytest.fixture(scope='module')
def code():
    """What the page's Python code defines; the registries forget it afterwards."""
    from sacl_mm.registry import DATASETS, METRICS, MODELS

    names = {}
    for block in re.findall(r'^```python\n(.*?)^```$', PAGE.read_text(), flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, PAGE.name, 'exec'), names)
    yield names
    for registry, name in ((MODELS, 'CapSimilar'), (DATASETS, 'SemicolonPairs'), (METRICS, 'YesShare')):
        registry.module_dict.pop(name)


def test_the_policy_weighs_similar_negatives_less(code):
    image_BD = torch.eye(3)
    text_BD = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    tau = 0.5
    loss = SACLContrastiveLoss(policy=code['CapSimilar'](above=0.7), temperature=tau)(image_BD, text_BD)
    expected = []
    for cosine_AM in (text_BD.t(), text_BD):  # image i and text m have the cosine text_BD[m, i]
        z_AM = cosine_AM / tau
        weighed_AM = z_AM + torch.where((cosine_AM > 0.7) & ~torch.eye(3, dtype=torch.bool), 0.1, 1.0).log()
        expected.append((weighed_AM.logsumexp(dim=1) - z_AM.diagonal()).mean())
    torch.testing.assert_close(loss, sum(expected) / 2)


def test_the_dataset_reads_its_file(code, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / 'pairs.txt').write_text('a.png;one; two\n')
    options = dict(data_root=str(tmp_path), data_prefix=dict(img_path=''), pipeline=[])
    dataset = code['SemicolonPairs'](ann_file='pairs.txt', **options)
    assert len(dataset) == 1
    assert dataset[0]['text'] == ['one; two']


def test_the_metric_counts(code):
    metric = code['YesShare']()
    metric.process({}, [dict(question_id=1, pred_answer='yes'), dict(question_id=2, pred_answer='no')])
    assert metric.evaluate(size=2) == {'answers/yes': 50.0}
