import pytest
import torch
import torch.nn.functional as F
from plain_loops import direction_loss

from sacl_mm.models.losses import FeaturePair, InfoNCE, NegativeBank, OracleRemoval, SACLContrastiveLoss

POLICIES = {
    'info_nce': dict(type='InfoNCE'),
    'mean_norm': dict(type='SimilarityRegulation', norm='mean', similarity_temperature=0.15),
    'mean_norm_as_printed': dict(type='SimilarityRegulation', norm='mean', similarity_temperature=1.0),
    'mean_norm_reference': dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=1.0),
    'mean_norm_progressive': dict(type='SimilarityRegulation', similarity_temperature=0.3, alpha=(1.0, 0.0)),
    'softmax_norm': dict(type='SimilarityRegulation', norm='softmax', similarity_temperature=1.0, delta=8.0),
    'softmax_norm_progressive': dict(
        type='SimilarityRegulation', norm='softmax', similarity_temperature=0.5, delta=2.0, alpha=(0.9, 0.1)
    ),
    'removal': dict(type='ThresholdRemoval', threshold=0.5, weights=dict(type='SimilarityRegulation')),
    'removal_keeping_weights': dict(
        type='ThresholdRemoval', threshold=0.5, keep_weights=True, weights=dict(type='SimilarityRegulation')
    ),
    'hard_negatives': dict(type='HardNegativeNCE', beta=0.25),
    'distillation': dict(type='MomentumDistillation', weight=0.4, ramp=0.5, weights=dict(type='InfoNCE')),
    'distillation_and_regulation': dict(
        type='MomentumDistillation', weight=0.4, ramp=0.1, weights=dict(type='SimilarityRegulation', alpha=(1.0, 0.0))
    ),
}


def pair(count, dim=16, seed=0, correlation=0.5):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    text = correlation * image + torch.randn(count, dim, generator=generator, dtype=torch.float64)
    return FeaturePair(image, text)


@pytest.fixture
def batch():
    """Six pairs of five images (two captions of one), and a bank of four with one match and one empty slot."""
    bank = NegativeBank(pair(4, seed=1), torch.tensor([7, 3, -1, 20]), torch.tensor([70, 30, -1, 200]), pair(4, seed=2))
    return dict(
        features=pair(6),
        image_ids=torch.tensor([3, 5, 3, 8, 9, 11]),
        text_ids=torch.tensor([31, 50, 32, 80, 90, 110]),
        reference=pair(6, seed=3, correlation=1.0),
        teacher=pair(6, seed=4, correlation=1.0),
        candidates=None,
        bank=bank,
    )


def plain_loss(features, batch, tau, policy, progress, match=None):
    losses = []
    for a, b in ((0, 1), (1, 0)):
        bank = batch['bank']
        ids = batch['image_ids'].tolist()
        candidate_ids = ids + bank.image_ids.tolist()
        own = features if batch['candidates'] is None else batch['candidates']
        losses.append(
            direction_loss(
                features[a],
                torch.cat([own[b], bank.features[b]]),
                ids,
                candidate_ids,
                tau,
                policy,
                progress,
                (batch['reference'][a], torch.cat([batch['reference'][b], bank.reference[b]])),
                (batch['teacher'][a], torch.cat([batch['teacher'][b], bank.features[b]])),
                match and match[a],
            )
        )
    return sum(losses) / 2


def leaf(features):
    return FeaturePair(*(x.clone().requires_grad_() for x in features))


@pytest.mark.parametrize('name', POLICIES)
@pytest.mark.parametrize('progress', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('momentum_candidates', [False, True])
@pytest.mark.parametrize('tile_pairs', [1000, 45, 1], ids=['whole', 'tiles of 4 and 2', 'tiles of 1'])
def test_value_and_gradient_equal_plain_loops(name, progress, momentum_candidates, tile_pairs, batch):
    if momentum_candidates:
        batch['candidates'] = batch['teacher']
    module = SACLContrastiveLoss(POLICIES[name], temperature=0.1, tile_pairs=tile_pairs).double()
    ours, theirs = leaf(batch['features']), leaf(batch['features'])
    tau = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    module.log_temperature.data = torch.tensor(0.1, dtype=torch.float64).log()

    loss = module(
        *ours,
        batch['image_ids'],
        batch['text_ids'],
        batch['reference'],
        batch['teacher'],
        batch['candidates'],
        batch['bank'],
        progress=progress,
    )
    expected = plain_loss(theirs, batch, tau, POLICIES[name], progress)
    loss.backward()
    expected.backward()

    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)
    for mine, plain in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, plain.grad, rtol=1e-6, atol=1e-12)
    # d/d log tau = tau d/d tau
    torch.testing.assert_close(module.log_temperature.grad, tau.grad * 0.1, rtol=1e-6, atol=1e-12)


def test_oracle_equals_plain_loops(batch):
    truth = {(5, 31), (9, 32), (3, 50), (20, 80), (8, 200)}

    def relevance(image_ids, text_ids):
        return [[(i, t) in truth for t in text_ids.tolist()] for i in image_ids.tolist()]

    image_ids = batch['image_ids'].tolist() + batch['bank'].image_ids.tolist()
    text_ids = batch['text_ids'].tolist() + batch['bank'].text_ids.tolist()
    match = (lambda a, c: (image_ids[a], text_ids[c]) in truth, lambda a, c: (image_ids[c], text_ids[a]) in truth)
    ours, theirs = leaf(batch['features']), leaf(batch['features'])
    loss = SACLContrastiveLoss(OracleRemoval(relevance), temperature=0.1)(
        *ours, batch['image_ids'], batch['text_ids'], bank=batch['bank']
    )
    expected = plain_loss(theirs, batch, 0.1, dict(type='OracleRemoval'), 0.0, match)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(ours.image.grad, theirs.image.grad, rtol=1e-5, atol=1e-9)


def test_oracle_without_text_ids_says_what_is_missing(batch):
    loss = SACLContrastiveLoss(OracleRemoval(lambda i, t: None))
    with pytest.raises(ValueError, match='text_ids'):
        loss(*batch['features'], batch['image_ids'])


@pytest.mark.parametrize(
    'policy',
    [
        dict(type='InfoNCE'),
        dict(type='HardNegativeNCE', beta=0.0),
        dict(type='SimilarityRegulation', similarity_temperature=1e9),
        dict(type='MomentumDistillation', weight=0.0, weights=dict(type='InfoNCE')),
        dict(type='ThresholdRemoval', threshold=0.5, weights=dict(type='InfoNCE')),
    ],
    ids=lambda policy: policy['type'],
)
def test_equal_weights_are_cross_entropy(policy, batch):
    image, text = pair(32, seed=5)
    loss = SACLContrastiveLoss(policy)(image, text, teacher=pair(32, seed=6))
    logits = F.normalize(image) @ F.normalize(text).t() / torch.tensor(0.07)
    target = torch.arange(32)
    expected = (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2
    torch.testing.assert_close(loss, expected, rtol=1e-7, atol=0)


def test_equal_ids_are_positives_and_never_negatives():
    ids = torch.tensor([1, 2, 1, 3])
    _, diagnostics = SACLContrastiveLoss()(*pair(4), ids, return_diagnostics=True)
    assert torch.equal(diagnostics['i2t/weights_AM'].isnan(), ids[:, None] == ids[None, :])
    # Moving both captions of image 1 between its two rows is good if they are positives, and bad if each is the other's
    # negative.
    image, text = torch.eye(4), torch.eye(4)
    shared = text.clone()
    shared[[0, 2]] = text[0] + text[2]
    loss = SACLContrastiveLoss(InfoNCE())
    assert loss(image, shared, ids) < loss(image, text, ids)
    assert loss(image, shared) > loss(image, text)


def test_a_batch_without_negatives_costs_nothing():
    image, text = leaf(pair(3))
    loss = SACLContrastiveLoss()(image[:1], text[:1])
    assert loss.item() == pytest.approx(0.0, abs=1e-9)
    same = SACLContrastiveLoss()(image, text, torch.tensor([4, 4, 4]))
    same.backward()
    assert same.isfinite()
    assert image.grad.isfinite().all()


def test_empty_bank_slots_change_nothing():
    features, ids = pair(5), torch.arange(5)
    empty = NegativeBank(pair(3, seed=9), torch.full((3,), -1))
    loss = SACLContrastiveLoss()
    assert torch.equal(loss(*features, ids), loss(*features, ids, bank=empty))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('tau', [0.001, 0.07, 0.5])
@pytest.mark.parametrize('name', [name for name in POLICIES if 'distillation' not in name])
def test_extremes_stay_finite(dtype, tau, name):
    image = torch.eye(8, 16).repeat(2, 1)
    text = torch.cat([image[:8], -image[:8]])  # similarities of exactly 1, 0 and -1, also for negatives
    features = leaf((image.to(dtype), text.to(dtype)))
    module = SACLContrastiveLoss(POLICIES[name], temperature=tau)
    loss = module(*features, reference=FeaturePair(text, image), progress=0.5)
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad.isfinite().all() for x in (*features, module.log_temperature))


@pytest.mark.parametrize('tau_s', [0.001, 0.01])
@pytest.mark.parametrize('norm', ['mean', 'softmax'])
def test_a_tiny_similarity_temperature_stays_finite(tau_s, norm):
    policy = dict(type='SimilarityRegulation', norm=norm, similarity_temperature=tau_s, alpha=0.5)
    image = torch.eye(4)
    loss = SACLContrastiveLoss(policy)(image, -image, reference=FeaturePair(image, image))
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
    module = SACLContrastiveLoss(dict(type='SimilarityRegulation'), temperature_bounds=None).double()
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
    _, plain = SACLContrastiveLoss(dict(type='InfoNCE'))(*pair(32), return_diagnostics=True)
    assert plain['i2t/mi_negative_target'] == 0
    assert regulated['i2t/mi_negative_target'] > 0.05


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(text_features=torch.zeros(5, 8)), 'equal shape'),
        (dict(image_features=torch.zeros(4, 8, 2)), r'\(B, D\)'),
        (dict(image_ids=torch.arange(3)), 'image_ids must be'),
        (dict(reference=FeaturePair(torch.zeros(3, 8), torch.zeros(3, 8))), 'reference features are of 3'),
        (dict(bank=NegativeBank(pair(2, 8), torch.arange(2))), 'bank needs image_ids'),
    ],
)
def test_bad_input_is_named(change, message):
    call = dict(image_features=torch.zeros(4, 8), text_features=torch.zeros(4, 8)) | change
    with pytest.raises(ValueError, match=message):
        SACLContrastiveLoss()(**call)


def test_what_a_policy_needs_is_asked_for():
    with pytest.raises(ValueError, match='reference features'):
        SACLContrastiveLoss(dict(type='SimilarityRegulation', alpha=1.0))(*pair(4))
    with pytest.raises(ValueError, match='teacher features'):
        SACLContrastiveLoss(dict(type='MomentumDistillation', weights=dict(type='InfoNCE')))(*pair(4))
    with pytest.raises(ValueError, match='within its bounds'):
        SACLContrastiveLoss(temperature=0.9)
