"""The examples of our loss in other libraries' training loops, each on the world as drawn; and open_clip's loss is ours."""

import re
import sys

import pytest
import torch
import torch.nn.functional as F
from command_line import ROOT, anew

from sacl_mm.models.losses import FeaturePair, InfoNCE, SACLContrastiveLoss, SimilarityRegression, SimilarityRegulation

NEEDED = {
    'open_clip_training': ('open_clip', 'open_clip_train'),
    'huggingface_trainer': ('accelerate',),
    'sentence_transformers_loss': ('sentence_transformers', 'datasets', 'accelerate'),
}
LINE = re.compile(r'(before|after): loss ([\d.]+); weights of negatives, quantiles 5/50/95 %: ([\d.]+) [\d.]+ ([\d.]+)')


@pytest.mark.parametrize('name', NEEDED)
def test_the_example_lowers_the_loss_and_weighs_negatives(name):
    for package in NEEDED[name]:
        pytest.importorskip(package)
    done = anew(sys.executable, ROOT / f'projects/loss_elsewhere/{name}.py')
    (before, *_), (after, *_) = found = [[float(x) for x in values] for _, *values in LINE.findall(done.stdout)]
    assert after < 0.9 * before
    assert all(low < 0.95 and high > 1.05 for _, low, high in found)


def features(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    image, text = torch.randn(2, 16, 8)
    return tuple(F.normalize(x, dim=1).requires_grad_() for x in (image, text))


def gradients(loss, *inputs):
    return torch.autograd.grad(loss, inputs)


def by_cross_entropy(image, text, scale):
    """ClipLoss by its definition, with labels 0, 1, ..."""
    logits, labels = scale * image @ text.t(), torch.arange(len(image))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


def by_open_clip(image, text, scale):
    return pytest.importorskip('open_clip').ClipLoss()(image, text, scale)


@pytest.mark.parametrize('theirs', [by_cross_entropy, by_open_clip])
@pytest.mark.parametrize('block_pairs', [None, 30], ids=['whole', 'in blocks'])
def test_info_nce_is_open_clips_loss_in_value_and_gradient(theirs, block_pairs):
    image, text = features()
    logit_scale = torch.tensor(2.5, requires_grad=True)
    ours = SACLContrastiveLoss(InfoNCE(), block_pairs=block_pairs)(image, text, logit_scale=logit_scale)
    expected = theirs(image, text, logit_scale.exp())
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)
    # The gradient of the normalisation, too, which ours has inside: of unit rows it takes the radial part out.
    for mine, plain, rows in zip(
        gradients(ours, image, text, logit_scale),
        gradients(expected, image, text, logit_scale),
        (image, text, None),
        strict=True,
    ):
        if rows is not None:
            plain = plain - (plain * rows).sum(dim=1, keepdim=True) * rows
        torch.testing.assert_close(mine, plain, rtol=1e-6, atol=1e-6)


def test_the_weights_can_come_from_similarities_of_captions():
    image, text = features()
    captions = torch.eye(16)
    captions[1] = captions[0]  # the same caption twice: neither is a wrong answer to the other's image
    loss = SACLContrastiveLoss(SimilarityRegulation(alpha=1.0))
    evidence = dict(reference=FeaturePair(captions, captions))
    _, about = loss(image, text, evidence=evidence, return_diagnostics=True)
    weights = about['i2t/weights_AM']
    assert weights[0, 1] == weights[1, 0] < 0.1 * weights[0, 2]


def test_similarities_of_captions_can_be_regressed_on():
    image, text = features()
    captions = F.normalize(torch.randn(16, 4), dim=1)
    loss = SACLContrastiveLoss(SimilarityRegression(InfoNCE(), 'captions', weight=2.0), temperature_bounds=None)
    value = loss(image, text, evidence=dict(captions=FeaturePair(captions, captions)))
    squares = (image @ text.t() - captions @ captions.t()).square().mean()
    expected = by_cross_entropy(image, text, 1 / 0.07) + 2 * squares
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
