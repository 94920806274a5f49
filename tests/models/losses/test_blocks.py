"""The loss in blocks. Equality in value and gradient is in test_sacl_loss.py, on two processes in test_distributed.py."""

import importlib.util
import multiprocessing
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from samples import leaf, pair, policy

from sacl_mm.models.losses import (
    FeaturePair,
    NegativeBank,
    NegativePolicy,
    PairTreatment,
    SACLContrastiveLoss,
    SimilarityRegulation,
)
from sacl_mm.models.losses.blockwise import BlockwiseContrast, block_shape

ROOT = Path(__file__).parents[3]


def peak_memory(run):
    spec = importlib.util.spec_from_file_location('measure', ROOT / 'tools' / 'benchmarks' / 'measure.py')
    measure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measure)
    return measure.peak_memory(run, torch.device('cpu'))


def peaks(name, with_candidates):
    """Of 4,096 pairs in blocks and all at once, MiB."""
    features = [torch.randn(4096, 16).requires_grad_() for _ in range(2)]
    candidates = FeaturePair(*(torch.randn(4096, 16) for _ in range(2))) if with_candidates else None
    SACLContrastiveLoss(policy(name))(*leaf(pair(64))).backward()

    def run(block_pairs):
        SACLContrastiveLoss(policy(name), block_pairs=block_pairs)(*features, candidates=candidates).backward()

    return [peak_memory(partial(run, block_pairs)) for block_pairs in (2**17, 2**30)]


@pytest.fixture(scope='module')
def new_process():
    """This one may hold memory that other tests freed."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        yield pool


@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='measures memory as Linux tells it')
@pytest.mark.parametrize(('name', 'with_candidates'), [('removal', False), ('mean_norm', True)])
def test_memory_does_not_grow_with_the_square_of_the_batch(name, with_candidates, new_process):
    in_blocks, whole = new_process.apply(peaks, (name, with_candidates))
    one_matrix = 4096**2 * 4 / 2**20
    assert in_blocks < one_matrix / 3
    assert whole > 3 * one_matrix  # the test can fail


@pytest.mark.parametrize('name', ['mean_norm_progressive', 'distillation_and_regulation'])
def test_diagnostics_are_those_of_the_first_anchors(name):
    image, text = pair(9)
    sides = dict(evidence=dict.fromkeys(('reference', 'teacher'), FeaturePair(text, image)), progress=0.5)
    loss, whole = SACLContrastiveLoss(policy(name))(image, text, **sides, return_diagnostics=True)
    same_loss, first = SACLContrastiveLoss(policy(name), block_pairs=40)(image, text, **sides, return_diagnostics=True)
    torch.testing.assert_close(loss, same_loss)
    torch.testing.assert_close(first['i2t/weights_AM'], whole['i2t/weights_AM'][:4], equal_nan=True)
    assert first.keys() == whole.keys()


def test_only_what_needs_a_gradient_gets_one():
    image, text = leaf(pair(9))
    module = SACLContrastiveLoss(temperature_bounds=None, block_pairs=20)
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

    whole, in_blocks = (leaf(pair(9)) for _ in range(2))
    SACLContrastiveLoss(Similar()).double()(*whole).backward()
    SACLContrastiveLoss(Similar(), block_pairs=20).double()(*in_blocks).backward()
    torch.testing.assert_close(whole.image.grad, in_blocks.image.grad)


@pytest.mark.parametrize(
    ('anchors', 'candidates', 'shape'),
    [(8192, 8192, (512, 512)), (8, 65536, (8, 32768)), (1000, 4, (1000, 4)), (1, 1, (1, 1))],
)
def test_blocks_are_as_square_as_can_be(anchors, candidates, shape):
    assert block_shape(anchors, candidates, 2**18) == shape


@pytest.fixture
def counted():
    """The loss with a policy that counts how many pairs it was asked about."""

    class Counted(SimilarityRegulation):
        pairs = 0

        def forward(self, pairs):
            self.pairs += pairs.similarity_AM.numel()
            return super().forward(pairs)

    return SACLContrastiveLoss(Counted(), block_pairs=20)


def test_a_block_serves_both_directions_where_the_candidates_are_the_anchors(counted, monkeypatch):
    compared = []
    compare = BlockwiseContrast.compare
    monkeypatch.setattr(BlockwiseContrast, 'compare', lambda *args: compared.append(compare(*args)) or compared[-1])

    def similarities(**options):
        compared.clear()
        with torch.no_grad():
            counted(*pair(9), torch.arange(9), **options)
        return sum(pairs.similarity_AM.numel() for pairs in compared)

    assert similarities() == 81
    assert similarities(candidates=pair(9, seed=1)) == 2 * 81
    assert similarities(bank=NegativeBank(pair(4), torch.arange(4))) == 81 + 2 * 36


def test_without_gradients_the_second_pass_is_spared(counted):
    with torch.no_grad():
        counted(*leaf(pair(9)))
    assert counted.policy.pairs == 2 * 81
    counted(*leaf(pair(9)))
    assert counted.policy.pairs == 6 * 81


def test_anchor_weights_are_those_of_the_mean():
    class FirstAnchors(NegativePolicy):
        def forward(self, pairs):
            return PairTreatment(anchor_weights_A=2.0 * (pairs.anchor_image_ids < 3))

    features = leaf(pair(6))
    loss = SACLContrastiveLoss(FirstAnchors(), block_pairs=8).double()
    value = loss(*features)
    value.backward()
    plain = leaf(pair(6))
    logits = F.normalize(plain.image) @ F.normalize(plain.text).t() / loss.temperature.detach()
    terms = [F.cross_entropy(x[:3], torch.arange(3)) for x in (logits, logits.t())]
    (sum(terms) / 2).backward()
    torch.testing.assert_close(value, sum(terms) / 2)
    torch.testing.assert_close(features.image.grad, plain.image.grad)


def test_a_second_derivative_is_refused():
    image, text = leaf(pair(9))
    loss = SACLContrastiveLoss()(image, text)
    with pytest.raises(RuntimeError, match='no second derivative'):
        torch.autograd.grad(loss, image, create_graph=True)
