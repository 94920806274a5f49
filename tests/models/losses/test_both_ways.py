"""The loss of both directions from one matrix, beside plain loops and beside one direction after the other."""

import pytest
import torch
from plain_loops import direction_loss
from samples import POLICIES, leaf, pair

from sacl_mm.models.losses import FeaturePair, NegativeBank, SACLContrastiveLoss, SimilarityRegulation, sacl_loss

SYMMETRIC = [name for name in POLICIES if not name.startswith(('removal', 'distillation'))]


@pytest.fixture
def answers(monkeypatch):
    """What `contrast_both_ways` answered, call by call."""
    found = []
    plain = sacl_loss.contrast_both_ways

    def spied(*args):
        found.append(plain(*args))
        return found[-1]

    monkeypatch.setattr(sacl_loss, 'contrast_both_ways', spied)
    return found


def each_way(module, monkeypatch):
    """The loss that has no matrix for both directions."""
    monkeypatch.setattr(module, '_symmetric_policy', lambda device: None)
    return module


@pytest.mark.parametrize('name', SYMMETRIC)
@pytest.mark.parametrize('tile_pairs', [1000, 12, 1], ids=['whole', 'blocks of 3', 'blocks of 2'])
def test_value_and_gradient_equal_plain_loops(name, tile_pairs, answers):
    ids = torch.tensor([3, 5, 3, 8, 9, 11])
    reference = pair(6, seed=3, correlation=1.0)
    ours, theirs = leaf(pair(6)), leaf(pair(6))
    tau = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    module = SACLContrastiveLoss(POLICIES[name], temperature=0.1, tile_pairs=tile_pairs).double()
    module.log_temperature.data = torch.tensor(0.1, dtype=torch.float64).log()
    loss = module(*ours, ids, reference=reference, progress=0.3)
    loss.backward()
    expected = sum(
        direction_loss(
            theirs[a], theirs[b], ids.tolist(), ids.tolist(), tau, POLICIES[name], 0.3, (reference[a], reference[b])
        )
        for a, b in ((0, 1), (1, 0))
    )
    (expected / 2).backward()
    assert [answer is not None for answer in answers] == [True]
    torch.testing.assert_close(loss, expected / 2, rtol=1e-9, atol=0)
    for mine, plain in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, plain.grad, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(module.log_temperature.grad, tau.grad * 0.1, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize('name', SYMMETRIC)
@pytest.mark.parametrize('size', [1, 2, 37, 301])
@pytest.mark.parametrize('tau', [0.001, 0.01, 0.07])
def test_it_equals_one_direction_after_the_other(name, size, tau, answers, monkeypatch):
    """In float32, at temperatures, too, at which sums of some anchors are beyond it beside those of others."""
    ids = torch.randint(size, (size,), generator=torch.Generator().manual_seed(1))
    reference = pair(size, seed=3, correlation=1.0)
    losses, gradients = [], []
    for prepare in (lambda module: each_way(module, monkeypatch), lambda module: module):
        module = prepare(SACLContrastiveLoss(POLICIES[name], temperature=tau, tile_pairs=100))
        image, text = (x.float().requires_grad_() for x in pair(size))
        losses.append(module(image, text, ids, reference=reference, progress=0.3))
        losses[-1].backward()
        gradients.append([image.grad, text.grad, module.log_temperature.grad])
    assert len(answers) == 1  # of the second alone
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-6)
    for ours, plain in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4 * max(1e-3, plain.abs().max().item()))


def test_what_float32_cannot_hold_together_is_done_an_anchor_at_a_time(answers):
    image, text = leaf(pair(40))
    SACLContrastiveLoss(temperature=0.07)(image, text)
    SACLContrastiveLoss(temperature=0.001)(image, text)
    SACLContrastiveLoss()(image, text, torch.zeros(40, dtype=torch.long))  # no negatives
    assert [answer is not None for answer in answers] == [True, False, False]


def test_whose_candidates_are_others_is_done_each_way(answers):
    features, ids = pair(6), torch.arange(6)
    loss = SACLContrastiveLoss()
    loss(*features, ids, candidates=pair(6, seed=1))
    loss(*features, ids, bank=NegativeBank(pair(3, seed=9), torch.arange(3)))
    SACLContrastiveLoss(POLICIES['removal'])(*features)
    assert not answers


def test_a_symmetric_policy_that_looks_further_is_asked_each_way(answers):
    class Capped(SimilarityRegulation):
        def forward(self, pairs):
            treatment = super().forward(pairs)
            treatment.log_weights_AM.clamp_(max=0)
            return treatment

    features = pair(9)
    capped, plain = (SACLContrastiveLoss(policy)(*features) for policy in (Capped(), SimilarityRegulation()))
    assert capped < plain
    assert len(answers) == 1


def test_only_what_needs_a_gradient_gets_one(answers, monkeypatch):
    image, text = leaf(pair(9))
    module = SACLContrastiveLoss(temperature_bounds=None, tile_pairs=20)
    (2 * module(image, text.detach())).backward()
    whole = leaf(pair(9))
    plain = each_way(SACLContrastiveLoss(temperature_bounds=None), monkeypatch)
    (2 * plain(whole.image, whole.text.detach())).backward()
    torch.testing.assert_close(image.grad, whole.image.grad)
    assert text.grad is None
    assert len(answers) == 1
    assert answers[0].gradients[1] is None
    assert answers[0].similarity_gradient is None


def test_without_gradients_the_second_pass_is_spared(monkeypatch):
    policy = SACLContrastiveLoss().policy
    asked = []
    plain = policy.raw_log_weights
    monkeypatch.setattr(policy, 'raw_log_weights', lambda pairs: asked.append(pairs) or plain(pairs))
    module = SACLContrastiveLoss(policy)
    with torch.no_grad():
        module(*pair(9))
    assert len(asked) == 1
    module(*leaf(FeaturePair(*pair(9)))).backward()
    assert len(asked) == 3
