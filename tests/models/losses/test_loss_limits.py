"""The loss at extremes and with wrong input; what it measures besides."""

import pytest
import torch
import torch.nn.functional as F
from samples import POLICIES, leaf, pair, policy

from sacl_mm.models.losses import (
    FeaturePair,
    InfoNCE,
    MomentumDistillation,
    NegativeBank,
    SACLContrastiveLoss,
    SimilarityRegulation,
)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('tau', [0.001, 0.07, 0.5])
@pytest.mark.parametrize('name', POLICIES)
def test_extremes_stay_finite(dtype, tau, name):
    image = torch.eye(8, 16).repeat(2, 1)
    text = torch.cat([image[:8], -image[:8]])  # similarities of exactly 1, 0 and -1, also for negatives
    features = leaf((image.to(dtype), text.to(dtype)))
    module = SACLContrastiveLoss(policy(name), temperature=tau)
    evidence = dict.fromkeys(('reference', 'teacher', 'captions'), FeaturePair(text, image))
    loss = module(*features, evidence=evidence, progress=0.5)
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad.isfinite().all() for x in (*features, module.log_temperature))


@pytest.mark.parametrize('tau_s', [0.001, 0.01])
@pytest.mark.parametrize('norm', ['mean', 'softmax'])
def test_a_tiny_similarity_temperature_stays_finite(tau_s, norm):
    regulation = SimilarityRegulation(norm, tau_s, alpha=0.5)
    image = torch.eye(4)
    loss = SACLContrastiveLoss(regulation)(image, -image, evidence=dict(reference=FeaturePair(image, image)))
    assert loss.isfinite()


def test_zero_features_stay_finite():
    image = torch.zeros(4, 8, requires_grad=True)
    loss = SACLContrastiveLoss()(image, torch.zeros(4, 8))
    loss.backward()
    assert loss.isfinite()
    assert image.grad.isfinite().all()


def test_autocast_computes_in_float32():
    features = FeaturePair(*(x.bfloat16() for x in pair(16)))
    plain = SACLContrastiveLoss()(*features)
    with torch.autocast('cpu', torch.bfloat16):
        cast = SACLContrastiveLoss()(*features)
    assert cast.dtype == torch.float32
    assert torch.equal(plain, cast)


def test_weights_carry_no_gradient():
    """The gradient is that of cross entropy with the weights held constant: central differences with frozen weights."""
    features = pair(6, seed=8)
    module = SACLContrastiveLoss(temperature_bounds=None).double()
    ours = leaf(features)
    _, diagnostics = module(*ours, return_diagnostics=True)
    module(*ours).backward()
    w = {d: diagnostics[f'{d}/weights_AM'].nan_to_num(1.0) for d in ('i2t', 't2i')}

    def frozen(image):
        z = F.normalize(image) @ F.normalize(features.text).t() / 0.07
        terms = [(w['i2t'].log() + z), (w['t2i'].log() + z.t())]
        return sum((t.logsumexp(1) - z.diagonal()).mean() for t in terms) / 2

    step = torch.zeros_like(features.image)
    step[2, 3] = 1e-6
    numeric = (frozen(features.image + step) - frozen(features.image - step)) / 2e-6
    assert ours.image.grad[2, 3].item() == pytest.approx(numeric.item(), rel=1e-4)


def test_temperature_is_learned_within_bounds():
    module = SACLContrastiveLoss(temperature=0.07, temperature_bounds=(0.01, 0.1))
    for value, bound in ((5.0, 0.1), (-9.0, 0.01)):
        module.log_temperature.data.fill_(value)
        module(*pair(4)).backward()
        assert module.temperature.item() == pytest.approx(bound)
        assert module.log_temperature.grad is not None
    fixed = SACLContrastiveLoss(temperature_bounds=None)
    assert not fixed.log_temperature.requires_grad


def test_diagnostics_equal_their_definitions():
    image, text = pair(8, seed=11)
    module = SACLContrastiveLoss().double()
    loss, diagnostics = module(image, text, return_diagnostics=True)
    assert torch.equal(loss, module(image, text))
    z = F.normalize(image) @ F.normalize(text).t() / module.temperature.detach()
    negative = ~torch.eye(8, dtype=torch.bool)
    log_r = z - (z.exp().mean(1, keepdim=True)).log()
    weights = diagnostics['i2t/weights_AM'][negative]
    expected = {
        'mi_positive': log_r.diagonal().mean(),
        'mi_negative': log_r[negative].mean(),
        'mi_negative_target': -weights.log().mean(),
        'weight_mean': weights.mean(),
        'weight_min': weights.min(),
        'weight_q50': weights.median() if len(weights) % 2 else weights.quantile(0.5),
    }
    for name, value in expected.items():
        torch.testing.assert_close(diagnostics[f'i2t/{name}'], value, rtol=1e-6, atol=1e-9)


def test_minimising_the_loss_moves_mi_n_towards_its_target():
    """Eq. 36-40: with weights held fixed, at the optimum mean log r over negatives equals mean -log w, up to a constant
    that the normalisation of r adds; InfoNCE's target is 0, regulation's is positive."""
    _, regulated = SACLContrastiveLoss()(*pair(32), return_diagnostics=True)
    _, plain = SACLContrastiveLoss(InfoNCE())(*pair(32), return_diagnostics=True)
    assert plain['i2t/mi_negative_target'] == 0
    assert regulated['i2t/mi_negative_target'] > 0.05


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(text_features=torch.zeros(5, 8)), 'equal shape'),
        (dict(image_features=torch.zeros(4, 8, 2)), r'\(B, D\)'),
        (dict(image_features=torch.zeros(0, 8), text_features=torch.zeros(0, 8)), 'without pairs'),
        (dict(image_features=torch.zeros(4, 8, dtype=torch.float64)), 'both be float64 or neither, got torch.float64'),
        (dict(image_ids=torch.arange(3)), r'image_ids must be \(4,\) integers'),
        (dict(image_ids=torch.zeros(4)), r'image_ids must be .* got \(4,\) torch.float32'),
        (dict(text_ids=torch.arange(1)), r'text_ids must be \(4,\) integers'),
        (
            dict(candidates=FeaturePair(torch.zeros(4, 7), torch.zeros(4, 7))),
            r'candidates features must be \(4, 8\), got \(4, 7\)',
        ),
        (dict(progress=2.0), r'progress must be a number in \[0, 1\]'),
        (dict(bank=NegativeBank(pair(2, 8), torch.arange(2))), 'bank needs image_ids'),
    ],
)
def test_bad_input_is_named(change, message):
    call = dict(image_features=torch.zeros(4, 8), text_features=torch.zeros(4, 8)) | change
    with pytest.raises(ValueError, match=message):
        SACLContrastiveLoss()(**call)


@pytest.mark.parametrize(
    ('reference', 'message'),
    [
        (
            FeaturePair(torch.zeros(4, 5), torch.zeros(4, 6)),
            r"'reference' .* must be \(4, 5\), got \(4, 5\) and \(4, 6\)",
        ),
        (FeaturePair(torch.zeros(3, 8), torch.zeros(3, 8)), "'reference' features are of 3 images"),
        (None, "needs the evidence 'reference'"),
    ],
)
def test_bad_evidence_is_named(reference, message):
    evidence = {} if reference is None else dict(reference=reference)
    with pytest.raises(ValueError, match=message):
        SACLContrastiveLoss(SimilarityRegulation(alpha=1.0))(*pair(4), evidence=evidence)


def test_evidence_that_is_not_needed_is_not_looked_at():
    assert SACLContrastiveLoss()(*pair(4), evidence=dict(other='anything')).isfinite()


def test_what_a_policy_needs_is_asked_for():
    regulated = SACLContrastiveLoss(SimilarityRegulation(alpha=1.0))
    with pytest.raises(ValueError, match="needs the evidence 'reference' of the bank, too"):
        regulated(*pair(4), [0, 1, 2, 3], evidence=dict(reference=pair(4)), bank=NegativeBank(pair(2), torch.arange(2)))
    with pytest.raises(ValueError, match="needs the evidence 'teacher'"):
        SACLContrastiveLoss(MomentumDistillation(InfoNCE()))(*pair(4))
    with pytest.raises(ValueError, match='within its bounds'):
        SACLContrastiveLoss(temperature=0.9)
    for wrong in ('InfoNCE', InfoNCE, dict(type='InfoNCE')):
        with pytest.raises(ValueError, match=r'policy must be a NegativePolicy such as InfoNCE\(\)'):
            SACLContrastiveLoss(wrong)
    with pytest.raises(ValueError, match='block_pairs must be a whole number of at least 1'):
        SACLContrastiveLoss(block_pairs=0)
