"""The loss against plain loops, and what ids and banks do."""

import pytest
import torch
import torch.nn.functional as F
from samples import POLICIES, has_schedule, leaf, pair, plain_loss, policy, unit

from sacl_mm.models.losses import (
    FeaturePair,
    InfoNCE,
    NegativeBank,
    OracleRemoval,
    SACLContrastiveLoss,
    SimilarityRegression,
)
from sacl_mm.registry import MODELS

WITH = {
    'bank': dict(),
    'bank and momentum candidates': dict(candidates=unit(pair(6, seed=4, correlation=1.0))),
    'momentum candidates': dict(candidates=unit(pair(6, seed=4, correlation=1.0)), bank=None),
    'the batch alone': dict(bank=None),
}


@pytest.mark.parametrize(
    ('name', 'progress'),
    [(name, at) for name in POLICIES for at in ((0.0, 0.3, 1.0) if has_schedule(name) else (0.3,))],
)
@pytest.mark.parametrize('change', WITH.values(), ids=WITH)
@pytest.mark.parametrize('block_pairs', [1000, 12, 1], ids=['whole', 'blocks of 3 by 4', 'blocks of a pair'])
def test_value_and_gradient_equal_plain_loops(name, progress, change, block_pairs, batch):
    batch |= change
    module = SACLContrastiveLoss(policy(name), temperature=0.1, block_pairs=block_pairs).double()
    ours, theirs = leaf(batch['features']), leaf(batch['features'])
    tau, *line = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.1, 0.7, -0.2))
    module.log_temperature.data = tau.detach().log()
    regressions = [part for part in module.policy.modules() if isinstance(part, SimilarityRegression)]
    for part in regressions:
        part.scale.data, part.offset.data = (x.detach() for x in line)

    loss = module(
        *ours,
        batch['image_ids'],
        batch['text_ids'],
        evidence=batch['evidence'],
        candidates=batch['candidates'],
        bank=batch['bank'],
        progress=progress,
    )
    expected = plain_loss(theirs, batch, tau, POLICIES[name], progress, line=line)
    loss.backward()
    expected.backward()

    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)
    for mine, plain in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, plain.grad, rtol=1e-6, atol=1e-12)
    # d/d log tau = tau d/d tau
    torch.testing.assert_close(module.log_temperature.grad, tau.grad * 0.1, rtol=1e-6, atol=1e-12)
    for part in regressions:
        for mine, plain in zip((part.scale, part.offset), line, strict=True):
            torch.testing.assert_close(mine.grad, plain.grad, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize('name', ['info_nce', 'mean_norm', 'softmax_norm', 'removal_keeping_weights', 'hard_negatives'])
@pytest.mark.parametrize('change', WITH.values(), ids=WITH)
def test_a_solved_batch_has_a_true_loss_and_gradient(name, change, batch):
    """No difference of large numbers: a loss of 1e-12 has ten true digits."""
    batch |= change | dict(image_ids=torch.arange(6), features=solved(6))
    if batch['candidates'] is not None:
        batch['candidates'] = solved(6)
    if batch['bank'] is not None:
        batch['bank'].features = FeaturePair(*(x[6:10] for x in solved(10)))
        batch['bank'].image_ids = torch.tensor([7, 8, -1, 20])
    ours, theirs = leaf(batch['features']), leaf(batch['features'])
    module = SACLContrastiveLoss(policy(name), temperature=0.04, block_pairs=12).double()
    inputs = {key: batch[key] for key in ('evidence', 'candidates', 'bank')}
    loss = module(*ours, batch['image_ids'], **inputs)
    expected = plain_loss(theirs, batch, module.temperature.detach(), POLICIES[name], 0.0)
    loss.backward()
    expected.backward()
    assert 1e-14 < loss.item() < 1e-10
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    for mine, plain in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, plain.grad, rtol=1e-6, atol=1e-6 * plain.grad.abs().max().item())


def solved(count):
    """Pairs of almost the same direction, each at about a right angle to the others, or beyond."""
    return FeaturePair(*(torch.eye(count, 16, dtype=torch.float64) - 0.06 + 1e-3 * x for x in pair(count)))


@pytest.mark.parametrize('name', POLICIES)
@pytest.mark.parametrize('size', [2, 101])
@pytest.mark.parametrize('tau', [0.001, 0.01, 0.07])
def test_blocks_are_exact_in_float32(name, size, tau):
    """At temperatures, too, at which sums of some anchors are beyond float32 beside those of others."""
    ids = torch.randint(size, (size,), generator=torch.Generator().manual_seed(1))
    features = pair(size)
    evidence = {key: unit(pair(size, seed=3, correlation=1.0)) for key in ('reference', 'teacher', 'captions')}
    losses, gradients = [], []
    for dtype, block_pairs in ((torch.float64, None), (torch.float32, 400)):
        module = SACLContrastiveLoss(policy(name), temperature=tau, block_pairs=block_pairs)
        image, text = (x.to(dtype, copy=True).requires_grad_() for x in features)
        losses.append(module(image, text, ids, evidence=evidence, progress=0.3))
        losses[-1].backward()
        gradients.append([x.grad.double() for x in (image, text, module.log_temperature)])
    torch.testing.assert_close(losses[1].double(), losses[0], rtol=1e-4, atol=1e-6)
    for ours, plain in zip(*gradients[::-1], strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-2, atol=1e-3 * max(1e-3, plain.abs().max().item()))


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
    'config',
    [
        dict(type='InfoNCE'),
        dict(type='HardNegativeNCE', beta=0.0),
        dict(type='SimilarityRegulation', similarity_temperature=1e9),
        dict(type='MomentumDistillation', weight=0.0, base_policy=dict(type='InfoNCE')),
        dict(type='ThresholdRemoval', threshold=0.5, base_policy=dict(type='InfoNCE')),
    ],
    ids=lambda config: config['type'],
)
def test_equal_weights_are_cross_entropy(config):
    image, text = pair(32, seed=5)
    loss = SACLContrastiveLoss(MODELS.build(config))(image, text, evidence=dict(teacher=pair(32, seed=6)))
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
    torch.testing.assert_close(loss(*features, ids), loss(*features, ids, bank=empty), rtol=1e-12, atol=0)
