"""The loss in tiles. Equality in value and gradient is in test_sacl_loss.py, on two processes in test_distributed.py."""

import importlib.util
import multiprocessing
from functools import partial
from pathlib import Path

import pytest
import torch
from samples import POLICIES, leaf, pair

from sacl_mm.models.losses import FeaturePair, NegativePolicy, PairTreatment, SACLContrastiveLoss

ROOT = Path(__file__).parents[3]


def peak_memory(run):
    spec = importlib.util.spec_from_file_location('measure', ROOT / 'tools' / 'benchmarks' / 'measure.py')
    measure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measure)
    return measure.peak_memory(run, torch.device('cpu'))


def peaks(name):
    """Of 6,144 pairs in tiles and all at once, MiB."""
    features = [torch.randn(6144, 16).requires_grad_() for _ in range(2)]
    SACLContrastiveLoss(POLICIES[name])(*leaf(pair(64))).backward()

    def run(tile_pairs):
        SACLContrastiveLoss(POLICIES[name], tile_pairs=tile_pairs)(*features).backward()

    return [peak_memory(partial(run, tile_pairs)) for tile_pairs in (2**17, 2**30)]


@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='measures memory as Linux tells it')
@pytest.mark.parametrize('name', ['mean_norm', 'removal'], ids=['both ways', 'each way'])
def test_memory_does_not_grow_with_the_square_of_the_batch(name):
    # In a process of its own: this one may hold memory that other tests freed (`keep_freed_memory`).
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        tiled, whole = pool.apply(peaks, (name,))
    one_matrix = 6144**2 * 4 / 2**20
    assert tiled < one_matrix / 3
    assert whole > 3 * one_matrix  # the test can fail


@pytest.mark.parametrize('name', ['mean_norm_progressive', 'distillation_and_regulation'])
def test_diagnostics_are_those_of_the_first_tile(name):
    image, text = pair(9)
    sides = dict(reference=FeaturePair(text, image), teacher=FeaturePair(text, image), progress=0.5)
    loss, whole = SACLContrastiveLoss(POLICIES[name])(image, text, **sides, return_diagnostics=True)
    same_loss, tile = SACLContrastiveLoss(POLICIES[name], tile_pairs=40)(image, text, **sides, return_diagnostics=True)
    torch.testing.assert_close(loss, same_loss)
    torch.testing.assert_close(tile['i2t/weights_AM'], whole['i2t/weights_AM'][:4], equal_nan=True)
    assert tile.keys() == whole.keys()


def test_only_what_needs_a_gradient_gets_one():
    image, text = leaf(pair(9))
    module = SACLContrastiveLoss(temperature_bounds=None, tile_pairs=20)
    (2 * module(image, text.detach())).backward()
    assert text.grad is None
    assert module.log_temperature.grad is None
    whole = leaf(pair(9))
    (2 * SACLContrastiveLoss(temperature_bounds=None)(whole.image, whole.text.detach())).backward()
    torch.testing.assert_close(image.grad, whole.image.grad)
    with torch.no_grad():
        torch.testing.assert_close(module(image, text), SACLContrastiveLoss()(image, text))


def test_a_policy_may_answer_with_what_it_was_given():
    class Similar(NegativePolicy):
        def forward(self, pairs):
            return PairTreatment(pairs.similarity_AM)

    whole, tiled = (leaf(pair(9)) for _ in range(2))
    SACLContrastiveLoss(Similar()).double()(*whole).backward()
    SACLContrastiveLoss(Similar(), tile_pairs=20).double()(*tiled).backward()
    torch.testing.assert_close(whole.image.grad, tiled.image.grad)


@pytest.mark.parametrize(('device', 'rows'), [('cpu', 8), ('meta', 32)])
def test_tiles_are_small_on_cpus_and_large_elsewhere(device, rows):
    device = torch.device(device)
    assert SACLContrastiveLoss()._tile_rows(2**16, device) == rows
    assert SACLContrastiveLoss(tile_pairs=2**20)._tile_rows(2**16, device) == 16
    assert SACLContrastiveLoss()._tile_rows(2**16 + 8, device) == rows


def test_a_second_derivative_is_refused():
    image, text = leaf(pair(9))
    loss = SACLContrastiveLoss()(image, text)
    with pytest.raises(RuntimeError, match='no second derivative'):
        torch.autograd.grad(loss, image, create_graph=True)
