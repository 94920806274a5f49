"""The loss against plain loops, and what ids and banks do."""

import pytest
import torch
import torch.nn.functional as F
from samples import POLICIES, leaf, pair, plain_loss

from sacl_mm.models.losses import InfoNCE, NegativeBank, OracleRemoval, SACLContrastiveLoss


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
    torch.testing.assert_close(loss(*features, ids), loss(*features, ids, bank=empty), rtol=1e-12, atol=0)
