"""What holds of the weights themselves: conditions 1 and 2, the paper's bound, and settings that make no sense."""

import math

import pytest
import torch
import torch.nn.functional as F
from samples import leaf, pair

from sacl_mm.models.losses import (
    ContrastivePairs,
    EvidenceRemoval,
    FeaturePair,
    InfoNCE,
    MomentumDistillation,
    NegativePolicy,
    PairTreatment,
    PerDirection,
    SACLContrastiveLoss,
    SimilarityRegression,
    SimilarityRegulation,
    SoftTargets,
    ThresholdRemoval,
    WeightProduct,
)
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
        (dict(type='SimilarityRegulation', evidence='captions'), "evidence='captions' is not read under alpha=0"),
    ],
)
def test_bad_policies_are_named(policy, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(policy)


def test_what_cannot_be_done_twice_is_refused():
    with pytest.raises(ValueError, match='one ThresholdRemoval only'):
        ThresholdRemoval(ThresholdRemoval(InfoNCE()))
    with pytest.raises(ValueError, match='EvidenceRemoval around it'):
        ThresholdRemoval(EvidenceRemoval(SimilarityRegulation(), 'captions', 0.5))
    with pytest.raises(ValueError, match='similarities have one target'):
        SimilarityRegression(SimilarityRegression(InfoNCE(), 'words'), 'captions')
    for inner in (SoftTargets(InfoNCE(), 'words'), SimilarityRegression(MomentumDistillation(InfoNCE()), 'words')):
        with pytest.raises(ValueError, match='base_policy has soft targets already'):
            SoftTargets(inner, 'captions')


@pytest.mark.parametrize('evidence', [(), '', None, 7, ('captions', 7), dict()])
def test_evidence_is_one_name_or_several(evidence):
    for make in (
        lambda: SimilarityRegulation(alpha=1, evidence=evidence),
        lambda: SimilarityRegression(InfoNCE(), evidence),
        lambda: SoftTargets(InfoNCE(), evidence),
        lambda: EvidenceRemoval(InfoNCE(), evidence, 0.5),
    ):
        with pytest.raises(ValueError, match='evidence must be a name such as'):
            make()


def test_all_names_of_evidence_are_needed():
    both = ['captions', 'words']
    for make in (
        lambda base: SimilarityRegression(base, both),
        lambda base: SoftTargets(base, both),
        lambda base: EvidenceRemoval(base, both, 0.5),
    ):
        assert make(SimilarityRegulation(alpha=1)).needs_evidence == ('captions', 'words', 'reference')
    assert SimilarityRegulation(alpha=1, evidence=both).needs_evidence == ('captions', 'words')


def test_soft_targets_without_evidence_are_the_hard_ones():
    """Whatever the evidence of the positives: the two of image 0 share the target equally."""
    rows = torch.eye(5)
    evidence = dict(captions=FeaturePair(rows, -rows))  # -1 for a pair of its own, 0 for all others
    loss, expected = (
        SACLContrastiveLoss(policy)(*pair(5), [0, 1, 0, 2, 3], evidence=evidence)
        for policy in (SoftTargets(InfoNCE(), 'captions', weight=1.0, temperature=None), InfoNCE())
    )
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize('base_policy', [InfoNCE(), SimilarityRegulation()], ids=lambda x: type(x).__name__)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_an_anchor_whose_negatives_are_all_removed_has_no_loss(base_policy, dtype):
    rows = torch.ones(4, 1)
    policy = EvidenceRemoval(base_policy, 'captions', threshold=1.0)
    features = leaf(FeaturePair(*(x.to(dtype) for x in pair(4))))
    loss, diagnostics = SACLContrastiveLoss(policy, block_pairs=6)(
        *features, evidence=dict(captions=FeaturePair(rows, rows)), return_diagnostics=True
    )
    loss.backward()
    assert loss == 0
    assert all(x.grad.abs().max() < 1e-6 for x in features)
    assert diagnostics['i2t/weight_q95'] == 0


def test_a_product_is_of_weights_alone():
    for policy, message in (
        (SoftTargets(InfoNCE(), 'captions'), r'policies\[1\], SoftTargets, has soft targets'),
        (MomentumDistillation(InfoNCE()), r'policies\[1\], MomentumDistillation, has soft targets'),
        (SimilarityRegression(InfoNCE(), 'captions'), r'policies\[1\], SimilarityRegression, has a regression'),
        (PerDirection(InfoNCE(), SimilarityRegression(InfoNCE(), 'words')), r'PerDirection, has a regression'),
        (ThresholdRemoval(InfoNCE()), r'policies\[1\], ThresholdRemoval, has removal from normalised weights'),
        ('InfoNCE', r'policies\[1\] must be a NegativePolicy'),
    ):
        with pytest.raises(ValueError, match=message):
            WeightProduct([InfoNCE(), policy])
    for policies in ([], None, 'InfoNCE', InfoNCE()):
        with pytest.raises(ValueError, match='policies must be a list of policies'):
            WeightProduct(policies)


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ('soft_target_scores_AM', 'has soft targets'),
        ('similarity_targets_AM', 'has a regression'),
        ('anchor_weights_A', 'has weights of anchors'),
    ],
)
def test_a_product_of_ones_own_policies_is_of_weights_alone(changed, message):
    class Own(NegativePolicy):
        def forward(self, pairs):
            return PairTreatment(**{changed: pairs.similarity_AM})

    with pytest.raises(ValueError, match=rf'policies\[1\], Own, {message}'):
        SACLContrastiveLoss(WeightProduct([InfoNCE(), Own()]))(*pair(4))


def test_policies_of_both_directions_are_asked_for_what_they_need():
    policy = PerDirection(SoftTargets(SimilarityRegulation(alpha=1), 'captions'), SimilarityRegulation(alpha=1))
    assert policy.needs_evidence == ('captions', 'reference')
    assert not policy.needs_row_sums
    assert PerDirection(InfoNCE(), ThresholdRemoval(SimilarityRegulation())).needs_row_sums
    product = WeightProduct([SimilarityRegulation(alpha=1), EvidenceRemoval(InfoNCE(), ('reference', 'words'), 0.5)])
    assert product.needs_evidence == ('reference', 'words')


@pytest.mark.parametrize('name', ['image_policy', 'text_policy'])
def test_a_direction_without_a_policy_is_named(name):
    policies = dict(image_policy=InfoNCE(), text_policy=InfoNCE()) | {name: 'InfoNCE'}
    with pytest.raises(ValueError, match=f'{name} must be a NegativePolicy'):
        PerDirection(**policies)


def test_cwcl_is_per_direction():
    """As its paper has it: w_ij = (1 + cos) / 2 of the frozen tower's features, here that of images."""
    features, frozen = pair(5), F.normalize(pair(5, seed=1).image)
    rows = torch.cat([frozen, torch.ones(5, 1)], dim=1) / 2**0.5
    soft = SoftTargets(InfoNCE(), 'frozen', weight=1.0, temperature=None)
    loss = SACLContrastiveLoss(PerDirection(soft, InfoNCE()))(*features, evidence=dict(frozen=FeaturePair(rows, rows)))
    w = (1 + frozen @ frozen.t()) / 2
    z = F.normalize(features.image) @ F.normalize(features.text).t() / 0.07
    of_images = -(w / w.sum(dim=1, keepdim=True) * z.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(loss, (of_images + F.cross_entropy(z.t(), torch.arange(5))) / 2, rtol=1e-6, atol=0)


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
        product = dict(type='WeightProduct', policies=[base, dict(type='InfoNCE')])
        directions = dict(type='PerDirection', image_policy=product, text_policy=dict(type='InfoNCE'))
        parts = ROOT_MODELS.build(dict(type='sacl_mm.SACLContrastiveLoss', policy=directions)).policy
    assert loss.policy.base_policy.similarity_temperature == 0.3
    assert isinstance(parts.image_policy.policies[1], InfoNCE)
    assert isinstance(parts.text_policy, InfoNCE)
