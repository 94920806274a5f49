"""What holds of the weights themselves: conditions 1 and 2, the paper's bound, and settings that make no sense."""

import math

import pytest
import torch

from sacl_mm.models.losses import ContrastivePairs, InfoNCE, SimilarityRegression, ThresholdRemoval
from sacl_mm.models.losses.anchor_sums import AnchorSums
from sacl_mm.registry import MODELS


def regulated_weights(policy, similarity):
    """As the loss normalises them."""
    anchors, candidates = (torch.arange(size) for size in similarity.shape)
    pairs = ContrastivePairs(similarity, torch.tensor(0.07), anchors, candidates)
    ones = torch.ones(len(similarity), dtype=similarity.dtype)
    sums = AnchorSums.start(ones, pairs.negative_AM.sum(dim=1).to(ones.dtype))
    treatment = MODELS.build(policy)(pairs)
    sums.add(pairs, treatment)
    return sums.log_weights(pairs, treatment).exp(), pairs.negative_AM


SIMILARITIES = {
    'random': torch.rand(64, 80, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1,
    'all equal': torch.full((8, 8), 0.3, dtype=torch.float64),
    'one negative is the positive': torch.eye(8, dtype=torch.float64).index_fill(1, torch.tensor([3]), 1.0),
    'opposite ends': torch.tensor([[1.0, -1.0, 1.0, -1.0]] * 4, dtype=torch.float64),
    'one negative': torch.tensor([[1.0, 0.9]], dtype=torch.float64),
}


@pytest.mark.parametrize('similarity', SIMILARITIES.values(), ids=SIMILARITIES.keys())
@pytest.mark.parametrize('norm', ['mean', 'softmax'])
@pytest.mark.parametrize('tau_s', [0.05, 0.15, 1.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_conditions_1_and_2(similarity, norm, tau_s, dtype):
    similarity = similarity.to(dtype)
    policy = dict(
        type='SimilarityRegulation', norm=norm, similarity_temperature=tau_s, delta=1 if norm == 'mean' else 2.0
    )
    weights, negative = regulated_weights(policy, similarity)
    for i in range(len(similarity)):
        w, s = weights[i][negative[i]], similarity[i][negative[i]]
        assert w.mean().item() == pytest.approx(1.0, rel=1e-9 if dtype == torch.float64 else 1e-4)  # condition 2
        order = s.argsort()
        assert (w[order].diff() <= 1e-12).all()  # condition 1: never rises with similarity
        # ... and falls: the most similar negative weighs less than the least similar one
        if s.max() > s.min():
            assert w[s.argmax()] < w[s.argmin()]


def test_with_tau_s_1_no_weight_falls_below_e_to_minus_2():
    weights, negative = regulated_weights(
        dict(type='SimilarityRegulation', similarity_temperature=1.0), SIMILARITIES['opposite ends']
    )
    assert weights[negative].min() >= math.exp(-2)


@pytest.mark.parametrize(
    ('policy', 'message'),
    [
        (dict(type='SimilarityRegulation', norm='max'), 'norm must be'),
        (dict(type='SimilarityRegulation', similarity_temperature=0), 'similarity_temperature must be a number in'),
        (dict(type='SimilarityRegulation', delta=2.0), 'delta cancels'),
        (dict(type='SimilarityRegulation', alpha=1.5), 'alpha must be'),
        (dict(type='SimilarityRegulation', alpha=(1, 0, 0)), 'alpha must be'),
        (dict(type='ThresholdRemoval', threshold=0, base_policy=dict(type='InfoNCE')), 'threshold must be a number in'),
        (dict(type='MomentumDistillation', weight=2, base_policy=dict(type='InfoNCE')), 'weight must be'),
    ],
)
def test_bad_policies_are_named(policy, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(policy)


def test_what_cannot_be_done_twice_is_refused():
    with pytest.raises(ValueError, match='one ThresholdRemoval only'):
        ThresholdRemoval(ThresholdRemoval(InfoNCE()))
    with pytest.raises(ValueError, match='similarities have one target'):
        SimilarityRegression('captions', SimilarityRegression('words', InfoNCE()))


def test_policies_need_no_prefix_in_configurations_of_other_libraries():
    from mmengine.registry import MODELS as ROOT_MODELS
    from mmengine.registry import DefaultScope

    from sacl_mm.compatibility import load_mmpretrain

    load_mmpretrain()  # mmpretrain's scope imports its models, which beside a new transformers needs this first
    base = dict(type='SimilarityRegulation', similarity_temperature=0.3)
    policy = dict(type='MomentumDistillation', weight=0.4, base_policy=base)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        loss = ROOT_MODELS.build(dict(type='sacl_mm.SACLContrastiveLoss', policy=policy))
        assert type(ROOT_MODELS.build(dict(type='sacl_mm.SACLContrastiveLoss')).policy) is type(loss.policy.base_policy)
    assert loss.policy.base_policy.similarity_temperature == 0.3
