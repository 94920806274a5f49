import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement

from sacl_mm.evaluation import CellAttributeAccuracy
from sacl_mm.models.heads import CellAttributeHead


def samples_with(labels):
    samples = [BaseDataElement() for _ in labels]
    for sample, one in zip(samples, labels, strict=True):
        sample.gt_cell_labels = np.array(one)
    return samples


def test_loss_is_the_cross_entropy_at_labelled_cells():
    torch.manual_seed(0)
    head = CellAttributeHead(in_channels=5, num_values=[3, 2])
    features = torch.randn(2, 5, 1, 2)
    samples = samples_with([[[2, 1], [-1, -1]], [[0, 0], [1, 1]]])
    cells = [(0, 0, 2, 1), (1, 0, 0, 0), (1, 1, 1, 1)]
    expected = 0.0
    for image, cell, first, second in cells:
        logits = head.classifier(features[image, :, 0, cell])
        expected = expected + F.cross_entropy(logits[:3], torch.tensor(first)) / len(cells)
        expected = expected + F.cross_entropy(logits[3:], torch.tensor(second)) / len(cells)
    torch.testing.assert_close(head.loss((features,), samples)['loss'], expected)


def test_accuracy_counts_labelled_cells_for_each_attribute():
    head = CellAttributeHead(in_channels=2, num_values=[2, 2])
    head.classifier.weight.data = torch.tensor([[1.0, 0], [0, 1], [0, 1], [1, 0]])
    head.classifier.bias.data.zero_()
    features = torch.tensor([[[[3.0, 0.0, 3.0]], [[0.0, 3.0, 0.0]]]])  # predicts (0, 1), (1, 0), (0, 1)
    samples = head.predict((features,), samples_with([[[0, 1], [1, 1], [-1, -1]]]))
    metric = CellAttributeAccuracy(['shape', 'colour'])
    metric.process({}, [sample.to_dict() for sample in samples])
    assert metric.compute_metrics(metric.results) == {'shape': 100.0, 'colour': 50.0}


def test_each_attribute_is_averaged_over_its_own_labelled_cells():
    metric = CellAttributeAccuracy(['shape', 'presence'])
    labels = torch.tensor([[2, 1], [-1, 0], [-1, 0], [-1, 0]])
    metric.process({}, [dict(gt_cell_labels=labels, pred_cell_labels=torch.tensor([[2, 1], [2, 0], [0, 0], [1, 1]]))])
    metric.process({}, [dict(gt_cell_labels=labels, pred_cell_labels=torch.tensor([[0, 1], [2, 0], [0, 0], [1, 1]]))])
    assert metric.compute_metrics(metric.results) == {'shape': 50.0, 'presence': 75.0}


def test_a_grid_of_another_size_is_said():
    head = CellAttributeHead(in_channels=2, num_values=[2])
    with pytest.raises(ValueError, match='4 cells, the labels have 9'):
        head.loss((torch.zeros(1, 2, 2, 2),), samples_with([[[0]] * 9]))


def test_attributes_that_do_not_agree_are_said():
    head = CellAttributeHead(in_channels=2, num_values=[2, 2])
    with pytest.raises(ValueError, match='2 attributes, the labels have 1.*presence'):
        head.loss((torch.zeros(1, 2, 2, 2),), samples_with([[[0]] * 4]))
