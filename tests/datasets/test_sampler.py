"""EpochSampler and SampleIndex."""

import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler

from sacl_mm.datasets import EpochSampler, SampleIndex
from sacl_mm.datasets.sampler import random_state_of
from sacl_mm.registry import DATA_SAMPLERS


def draw() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002


def drawn_in(index: int) -> tuple[float, float, float]:
    with random_state_of(index):
        return draw()


@pytest.mark.parametrize('protocol', range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_index_survives_pickling(protocol: int) -> None:
    index = SampleIndex(7, epoch=2, seed=5) - 3
    copy = pickle.loads(pickle.dumps(index, protocol))
    assert (copy, copy.epoch, copy.seed, copy.drawn) == (4, 2, 5, 7)
    assert isinstance(copy, SampleIndex)


def test_index_is_an_int_and_wrappers_keep_what_was_drawn() -> None:
    index = SampleIndex(12, epoch=1, seed=3)
    assert index == 12
    assert 'abcdefghijklmnop'[index] == 'm'
    for part, value in ((index - 10, 2), (index % 5, 2)):
        assert part == value
        assert (part.epoch, part.seed, part.drawn) == (1, 3, 12)


def test_random_state_is_a_function_of_seed_epoch_and_index() -> None:
    reference = drawn_in(SampleIndex(3, epoch=1, seed=0))
    draw()
    assert drawn_in(SampleIndex(3, epoch=1, seed=0)) == reference
    for other in (SampleIndex(4, 1, 0), SampleIndex(3, 2, 0), SampleIndex(3, 1, 1), SampleIndex(1, 3, 0)):
        assert all(a != b for a, b in zip(drawn_in(other), reference, strict=True))


def test_the_values_are_the_same_on_every_machine() -> None:
    words = np.random.SeedSequence([11, 2, 5]).generate_state(3).tolist()
    expected = (
        random.Random(words[0]).random(),
        np.random.RandomState(words[1]).rand(),
        torch.rand((), generator=torch.Generator().manual_seed(words[2])).item(),
    )
    assert drawn_in(SampleIndex(5, epoch=2, seed=11)) == expected


@pytest.mark.parametrize('fails', [False, True])
def test_global_states_continue_afterwards(fails: bool) -> None:
    def seed_all() -> None:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)

    seed_all()
    expected = [draw(), draw()]
    seed_all()
    first = draw()
    try:
        with random_state_of(SampleIndex(0, 0, 0)):
            draw()
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert [first, draw()] == expected


def test_plain_int_seeds_nothing() -> None:
    random.seed(1)
    expected = [random.random(), random.random()]
    random.seed(1)
    first = random.random()
    with random_state_of(0):
        assert [first, random.random()] == expected


@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('round_up', [False, True])
def test_ranks_draw_what_the_default_sampler_draws(shuffle: bool, round_up: bool, monkeypatch) -> None:
    data = range(11)
    together = []
    for rank in range(3):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 3))
        ours, theirs = (
            kind(data, shuffle=shuffle, seed=4, round_up=round_up) for kind in (EpochSampler, DefaultSampler)
        )
        for epoch in (0, 6):
            ours.set_epoch(epoch)
            theirs.set_epoch(epoch)
            indices = list(ours)
            assert indices == list(theirs)
            assert len(indices) == len(ours)
            assert {(index.epoch, index.seed, type(index)) for index in indices} == {(epoch, 4, SampleIndex)}
        together += indices
    assert set(together) == set(data)
    assert len(together) == (12 if round_up else 11)


def test_resume_at_an_epoch_is_exact() -> None:
    running = EpochSampler(range(20), seed=1)
    for epoch in range(4):
        running.set_epoch(epoch)
        last = list(running)
    resumed = EpochSampler(range(20), seed=1)
    resumed.set_epoch(3)
    assert list(resumed) == last
    resumed.set_epoch(2)
    assert list(resumed) != last


def test_registered() -> None:
    sampler = DATA_SAMPLERS.build({'type': 'EpochSampler', 'dataset': range(3), 'shuffle': False, 'seed': 0})
    assert list(sampler) == [0, 1, 2]
