import torch

from sacl_mm.functional.keyed_random import has_negative, keyed_gumbel, keyed_uniform, sample_hard_negatives


def test_a_draw_depends_on_its_keys_alone():
    rows, columns = torch.arange(50)[:, None], torch.arange(40)[None, :]
    whole = keyed_uniform(7, rows, columns)
    part = keyed_uniform(7, rows[20:30].flip(0), columns[:, ::2])
    assert torch.equal(part, whole[20:30, ::2].flip(0))


def test_draws_are_uniform_and_independent_of_neighbours():
    u = keyed_uniform(3, torch.arange(400)[:, None], torch.arange(500)[None, :])
    assert u.min() > 0
    assert u.max() < 1
    histogram = torch.histc(u, 20, 0, 1) / u.numel()
    assert (histogram - 0.05).abs().max() < 0.002
    for a, b in (
        (u[1:], u[:-1]),
        (u[:, 1:], u[:, :-1]),
        (u, keyed_uniform(4, torch.arange(400)[:, None], torch.arange(500))),
    ):
        assert torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].abs() < 0.01


def test_order_of_keys_matters():
    a, b = torch.arange(100), torch.arange(100, 200)
    assert not torch.equal(keyed_uniform(0, a, b), keyed_uniform(0, b, a))


def test_gumbel_noise_samples_in_proportion():
    probabilities = torch.tensor([0.1, 0.2, 0.7])
    noise = keyed_gumbel(1, torch.arange(40_000)[:, None], torch.arange(3)[None, :])
    drawn = (probabilities.log() + noise).argmax(1)
    assert (torch.bincount(drawn) / 40_000 - probabilities).abs().max() < 0.01


def test_seed_and_key_are_not_interchangeable():
    keys = torch.arange(100)
    draws = torch.cat([keyed_uniform(seed, keys) for seed in range(100)])
    assert len(draws.unique()) > 9900


def test_positives_are_never_drawn_and_others_in_proportion_to_softmax():
    logits = torch.tensor([[5.0, 0.0, 1.0, 2.0]])
    positive = torch.tensor([[True, False, False, False]])
    count = 20_000
    drawn = sample_hard_negatives(
        logits.expand(count, -1), positive.expand(count, -1), torch.arange(count), torch.arange(4), seed=0
    )
    expected = torch.softmax(logits[0, 1:], 0)
    assert (torch.bincount(drawn, minlength=4)[1:] / count - expected).abs().max() < 0.015
    assert not (drawn == 0).any()


def test_the_draw_does_not_depend_on_the_order_of_the_candidates():
    logits = torch.randn(30, 40, generator=torch.Generator().manual_seed(0))
    positive = torch.eye(30, 40, dtype=torch.bool)
    anchors, candidates = torch.arange(30) + 1000, torch.arange(40) + 7
    drawn = sample_hard_negatives(logits, positive, anchors, candidates, seed=2)
    order = torch.randperm(40)
    moved = sample_hard_negatives(logits[:, order], positive[:, order], anchors, candidates[order], seed=2)
    assert torch.equal(order[moved], drawn)
    assert not torch.equal(sample_hard_negatives(logits, positive, anchors, candidates, seed=3), drawn)


def test_extreme_logits_leave_a_valid_choice():
    logits = torch.tensor([[1000.0, -1000.0, -1000.0]])
    positive = torch.tensor([[True, False, False]])
    assert sample_hard_negatives(logits, positive, torch.tensor([0]), torch.arange(3), seed=0).item() in (1, 2)


def test_an_anchor_without_negatives_is_known():
    positive = torch.tensor([[True, True], [True, False]])
    assert has_negative(positive).tolist() == [False, True]
    drawn = sample_hard_negatives(torch.zeros(2, 2), positive, torch.arange(2), torch.arange(2), seed=0)
    assert drawn.shape == (2,)
