import torch

from sacl_mm.functional.keyed_random import keyed_gumbel, keyed_uniform


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
